import { PgkeepError } from '../core/errors.js';
import type { ModelRules } from '../prisma-schema/rules.js';
import type { RecordKey, RecordName } from './privacy.types.js';
import { keyFields } from './row-sql.js';

/**
 * Returns the key of a record that a person typed: one value, several with commas between, or a JSON object.
 * @throws PgkeepError `USAGE_INVALID` where it does not fit the key.
 */
export function parseKey({ model }: ModelRules, id: string): RecordKey {
  const names = keyFields(model).map(({ name }) => name);
  const parsed = id.startsWith('{') ? objectOf(id) : undefined;
  if (parsed && names.every((name) => name in parsed)) {
    return Object.fromEntries(names.map((name) => [name, scalarOf(Reflect.get(parsed, name))]));
  }
  const values = names.length === 1 ? [id] : id.split(',');
  if (parsed === undefined && values.length === names.length) {
    return Object.fromEntries(names.map((name, index) => [name, values[index]]));
  }
  const example = JSON.stringify(Object.fromEntries(names.map((name) => [name, '…'])));
  throw new PgkeepError(
    'USAGE_INVALID',
    `The key of ${model.name} is ${names.join(', ')}: ${JSON.stringify(id)} does not fit.`,
    {
      hint:
        names.length === 1
          ? 'Give its value.'
          : `Give the values in this order, with commas between, or a JSON object: '${example}'.`,
    },
  );
}

/** Returns a record as messages name it: `User 415`. */
export function recordText({ model, id }: RecordName): string {
  return `${model} ${/^[\w.:,@+-]{1,100}$/.test(id) ? id : JSON.stringify(id.slice(0, 100))}`;
}

/** Returns the key of the ledger as a person types it. */
export function keyText(key: RecordKey): string {
  const values = Object.values(key);
  return values.every((value) => typeof value !== 'object') ? values.join(',') : JSON.stringify(key);
}

function objectOf(text: string): object | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** The server converts text into whatever type the column has. */
function scalarOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
