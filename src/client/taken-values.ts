import { propertyOf } from '../core/errors.js';
import { isArgs, itemsOf, type Args } from './args.js';
import { propertyOfModel, type GuardedModel } from './guarded-models.js';
import { call } from './prisma-client.js';

const DAY_MS = 86_400_000;

/** What a failed write is explained with. */
interface Failed {
  /** The model that was called. */
  readonly model: GuardedModel;
  readonly args: unknown;
  /** A client that sees every row; undefined if it must not be asked. */
  readonly client: unknown;
  readonly gracePeriodDays: number;
}

/**
 * Adds to Prisma's error about a unique value (P2002) that a soft-deleted row has the value, if that is so. The error
 * stays Prisma's own, so that the application's handling of it still applies.
 */
export async function explainTaken(thrown: unknown, failed: Failed): Promise<void> {
  try {
    const text = await explanationOf(propertyOf(propertyOf(thrown, 'meta'), 'modelName'), failed);
    if (text !== undefined && thrown instanceof Error) thrown.message += `\n${text}`;
  } catch {
    // The write has failed; why its value is taken is only an addition.
  }
}

async function explanationOf(name: unknown, failed: Failed): Promise<string | undefined> {
  for (const { model, row } of writtenRows(failed.model, failed.args)) {
    if (model.name !== name || !model.mark) continue;
    if (failed.client === undefined) {
      return `A soft-deleted ${model.name} may have this value. To see it: where: { ${model.mark.at}: { not: null } }.`;
    }
    for (const fields of [model.rules.model.id, ...model.rules.model.uniques]) {
      const taken = await markedRow(failed.client, model, fields, row);
      if (taken === undefined) continue;
      return explanation(model, fields, taken, failed.gracePeriodDays);
    }
  }
  return undefined;
}

interface WrittenRow {
  readonly model: GuardedModel;
  readonly row: Args;
}

/** Returns the rows that a write would have created or changed, with those of its nested writes. */
function writtenRows(model: GuardedModel, args: unknown): WrittenRow[] {
  if (!isArgs(args)) return [];
  return ['data', 'create', 'update'].flatMap((key) =>
    itemsOf(args[key]).flatMap((data) => rowsIn(model, data)),
  );
}

function rowsIn(model: GuardedModel, data: unknown): WrittenRow[] {
  if (!isArgs(data)) return [];
  const nested = [...model.relations.values()].flatMap(({ name, target }) => {
    const writes = data[name];
    return isArgs(writes)
      ? Object.values(writes).flatMap((operation) =>
          itemsOf(operation).flatMap((item) => writtenRows(target, item).concat(rowsIn(target, item))),
        )
      : [];
  });
  return [{ model, row: data }, ...nested];
}

interface MarkedRow {
  readonly id: unknown;
  readonly markedAt: Date;
}

async function markedRow(
  client: unknown,
  { name, mark, rules }: GuardedModel,
  fields: readonly string[],
  row: Args,
): Promise<MarkedRow | undefined> {
  const values = fields.map((field) => [field, valueOf(row[field])] as const);
  if (!mark || fields.length === 0 || values.some(([, value]) => value === undefined)) return undefined;
  const found = await call(propertyOf(client, propertyOfModel(name)), 'findFirst', {
    where: { ...Object.fromEntries(values), [mark.at]: { not: null } },
  });
  const [id = ''] = rules.model.id;
  return found === null
    ? undefined
    : { markedAt: new Date(Number(propertyOf(found, mark.at))), id: propertyOf(found, id) };
}

/** Returns a value that a unique field can be compared with; undefined for a null, which is never taken. */
function valueOf(written: unknown): unknown {
  const value = isArgs(written) && 'set' in written ? written['set'] : written;
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof value)) return value;
  return Object.prototype.toString.call(value) === '[object Date]' ? value : undefined;
}

function explanation(
  { name, rules, tableRule }: GuardedModel,
  fields: readonly string[],
  { id, markedAt }: MarkedRow,
  gracePeriodDays: number,
): string {
  const keptUntil = new Date(markedAt.getTime() + gracePeriodDays * DAY_MS);
  const isErased = rules.deleteRule === 'soft';
  const isShown = rules.model.id.length === 1 && tableRule?.personalKey.length === 0;
  const row = `'${name}', ${isShown ? literal(id) : 'id'}`;
  return (
    `${fields.map((field) => `${name}.${field}`).join(', ')}: a ${name} that was soft-deleted on ${dayOf(markedAt)} has this value, ` +
    `and ${isErased ? `is kept until ${dayOf(keptUntil)}` : 'is never erased'}. ` +
    `To get that row back: prisma.softDelete.restore(${row}).` +
    (isErased ? ` To erase it now: prisma.softDelete.hardDelete(${row}).` : '')
  );
}

/** Returns a key as code has it. */
function literal(id: unknown): string {
  return typeof id === 'bigint' ? `${id}n` : JSON.stringify(id);
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10);
}
