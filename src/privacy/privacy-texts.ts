import type { ModelRules } from '../prisma-schema/rules.js';
import { boundedList, counted, pluralOf } from '../core/text.js';
import type { HeldRow, Referring } from './erase-plan.js';
import { isErasable, type OwnerGraph } from './owner-graph.js';
import { keyText, recordText } from './record-key.js';
import type { RecordName, RetainedRows } from './privacy.types.js';

/** Returns why a record itself cannot be erased; undefined if it can be. */
export function keptText(rules: ModelRules): string | undefined {
  if (isErasable(rules)) return undefined;
  const { model, retained, deleteRule } = rules;
  if (retained !== undefined) return `rows of ${model.name} stay (${retained})`;
  switch (deleteRule) {
    case 'append':
      return `${model.name} is append-only`;
    case 'read':
      return `${model.name} is read-only`;
    default:
      return `rows of ${model.name} are never deleted`;
  }
}

/** Returns what stops an erasure: `2 children refer to its parent 355, and stay (medical record: kept 25 years)`. */
export function referringText(
  graph: OwnerGraph,
  record: RecordName,
  referring: readonly Referring[],
): string {
  const texts = referring.map(({ model, rows, to, key }) => {
    const { retained } = graph.model(model);
    const because = retained === undefined ? '' : ` (${retained})`;
    const target = to === record.model ? 'it' : `its ${wordsOf(to)} ${keyText(key)}`;
    return `${rowsText(graph.model(model), rows)} ${pluralOf(rows, 'refers', 'refer')} to ${target}, and ${pluralOf(rows, 'stays', 'stay')}${because}`;
  });
  return boundedList(texts, 3, '; ');
}

/** Returns what a legal hold keeps: `a legal hold keeps its parent 355`. */
export function heldText(record: RecordName, [held]: readonly HeldRow[]): string {
  if (!held) return 'a legal hold keeps it';
  const name = { model: held.model, id: keyText(held.key) };
  const isItself = held.model === record.model && name.id === record.id;
  return `a legal hold keeps ${isItself ? 'it' : recordText(name)}`;
}

/** Returns `2 rows of Child, 9 rows of Session (medical record: kept 25 years)`. */
export function retainedText(retained: readonly RetainedRows[]): string {
  const reasons = new Set(retained.map(({ because }) => because));
  return [...reasons]
    .map((reason) => {
      const rows = retained.filter(({ because }) => because === reason);
      return `${rows.map((one) => `${counted(one.rows, 'row')} of ${one.model}`).join(', ')} (${reason})`;
    })
    .join('; ');
}

/** The table is named in the plural by many schemas; the model in the singular. */
function rowsText({ model }: ModelRules, rows: number): string {
  if (rows === 1) return `1 ${wordsOf(model.name)}`;
  return model.table === model.name || /[^\w]/.test(model.table)
    ? `${counted(rows, 'row')} of ${model.name}`
    : counted(rows, model.table, model.table);
}

/** `SessionQuizStep` → `session quiz step`. */
export function wordsOf(name: string): string {
  return name
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
}
