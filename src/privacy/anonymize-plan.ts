import { escapeIdentifier, escapeLiteral } from 'pg';
import type { ModelRules } from '../prisma-schema/rules.js';
import { modelsOf, own, type Follow, type OwnerGraph } from './owner-graph.js';
import { ReachedRows } from './reached-rows.js';
import { replacementOf } from './replacement-value.js';
import {
  columnsOf,
  ledgerKey,
  recordedRows,
  tableOf,
  tokenOf,
  type Rows,
  type Statement,
} from './row-sql.js';

/** A personal column, and what takes the place of its values, as SQL. */
interface Replacement {
  readonly column: string;
  readonly sql: string;
}

/** No column has this name: the alias stands for the row, and a column of the same name would hide it. */
const ROW = '"the row that is anonymized"';

/**
 * Returns the statement that replaces the personal values of rows and of what they own, up to the next person and up to
 * what is kept by law; undefined where nothing is personal. It records every row in the ledger, and answers with
 * AffectedRows. Run it in the transaction that opened the action. Pure.
 * @param action the action's UUID
 * @param follow which rows are anonymized with these
 */
export function anonymizePlan(
  graph: OwnerGraph,
  rows: Rows,
  action: string,
  follow: Follow = own,
): Statement | undefined {
  const edges = graph.down(rows.model, follow);
  const reached = new ReachedRows(graph, rows, edges);
  const changes = modelsOf(graph.model(rows.model), edges).flatMap((rules) => {
    const replacements = replacementsOf(rules);
    return replacements.length === 0 ? [] : [{ rules, replacements }];
  });
  if (changes.length === 0) return undefined;
  const ctes = changes.map((change, index) => `c${index} AS (${updateOf(graph, reached, change)})`);
  const counts = changes.map(({ rules }, index) =>
    recordedRows(`c${index}`, {
      model: rules.model.name,
      table: tableOf(graph, rules),
      action: `$${rows.values.length + 1}`,
      what: 'anonymized',
    }),
  );
  return {
    sql: `WITH RECURSIVE ${[reached.cte, ...ctes].join(',\n')}\n${counts.join('\nUNION ALL ')}`,
    values: [...rows.values, action],
  };
}

/** Returns the names of a model's fields whose values an anonymization replaces. */
export function replacedFields(rules: ModelRules): string[] {
  const columns = new Set(replacementsOf(rules).map(({ column }) => column));
  return rules.model.fields.filter(({ column }) => columns.has(column)).map(({ name }) => name);
}

/** A key stays: the ledger names the row by it. So does what refers to another row. */
function replacementsOf({ model, fields }: ModelRules): Replacement[] {
  const referring = new Set(model.fields.flatMap(({ relation }) => relation?.fields ?? []));
  return model.fields.flatMap((field) => {
    const method = fields.get(field.name)?.personal;
    if (
      method === undefined ||
      field.relation ||
      model.id.includes(field.name) ||
      referring.has(field.name)
    ) {
      return [];
    }
    const sql = replacementOf({
      model: model.name,
      field,
      method,
      isUnique: model.uniques.some((names) => names.includes(field.name)),
      column: `${ROW}.${escapeIdentifier(field.column)}`,
    });
    return sql === undefined ? [] : [{ column: field.column, sql }];
  });
}

/** The values go through jsonb, which converts them into whatever types the columns have. */
function updateOf(
  graph: OwnerGraph,
  reached: ReachedRows,
  { rules, replacements }: { rules: ModelRules; replacements: readonly Replacement[] },
): string {
  const table = tableOf(graph, rules);
  const column = columnsOf(ROW);
  const set = replacements.map((one) => escapeIdentifier(one.column)).join(', ');
  const values = replacements.map((one) => `v.${escapeIdentifier(one.column)}`).join(', ');
  return `UPDATE ${table.name} AS ${ROW} SET (${set}) = (
    SELECT ${values} FROM (SELECT ${tokenOf(table, column)} AS token) k,
           LATERAL jsonb_populate_record(${ROW}, ${objectOf(replacements)}) v)
   WHERE ${reached.includes(rules.model.name, ROW)} RETURNING ${ledgerKey(table, column)} AS key`;
}

/** A function takes 100 arguments at most. */
const PAIRS_PER_CALL = 50;

function objectOf(replacements: readonly Replacement[]): string {
  const objects: string[] = [];
  for (let from = 0; from < replacements.length; from += PAIRS_PER_CALL) {
    const pairs = replacements
      .slice(from, from + PAIRS_PER_CALL)
      .map(({ column, sql }) => `${escapeLiteral(column)}, ${sql}`);
    objects.push(`jsonb_build_object(${pairs.join(', ')})`);
  }
  return objects.join(' || ');
}
