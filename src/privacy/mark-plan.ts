import { escapeIdentifier } from 'pg';
import { POLICY_SCHEMA } from '../policy/policy-texts.js';
import type { Field, Model } from '../prisma-schema/prisma-schema.types.js';
import type { ModelRules } from '../prisma-schema/rules.js';
import { fieldOf, marked, modelsOf, type OwnerGraph } from './owner-graph.js';
import { ReachedRows } from './reached-rows.js';
import {
  columnsOf,
  isZoned,
  ledgerKey,
  recordedRows,
  tableOf,
  type Rows,
  type Statement,
  type TableSql,
} from './row-sql.js';

/**
 * Returns the statement that marks rows as deleted, and what their deletion would cascade to, with one time. What is
 * marked already stays as it is. It records every row in the ledger, and answers with AffectedRows. Pure.
 * @param by who deletes, for the column `deletedBy`
 */
export function markPlan(graph: OwnerGraph, rows: Rows, action: string, by: string | null): Statement {
  const parameter = `$${rows.values.length + 2}`;
  const models = markedModels(graph, rows.model);
  // One parameter has one type: the text of a VARCHAR(100) and of a TEXT.
  const hasBy = models.some(({ model }) => isLabel(fieldOf(model, 'deletedBy')));
  const plan = changePlan(graph, rows, { action, what: 'marked' }, ({ model, deletedAt }) => {
    const deletedBy = fieldOf(model, 'deletedBy');
    return {
      sets: [
        ...(deletedAt ? [`${escapeIdentifier(deletedAt.column)} = ${timeSql(deletedAt)}`] : []),
        ...(isLabel(deletedBy)
          ? [`${escapeIdentifier(deletedBy.column)} = left(${parameter}::text, ${lengthOf(deletedBy)})`]
          : []),
      ],
      condition: deletedAt ? `m.${escapeIdentifier(deletedAt.column)} IS NULL` : 'false',
    };
  });
  return hasBy ? { ...plan, values: [...plan.values, by] } : plan;
}

/**
 * Returns the statement that removes the marks of rows, and of what the same deletion marked: the rows that cascades lead
 * to, that have the same time and, by the ledger, are of the same deletion. A mark that an application sets by itself is
 * of none, and goes by its time. It records every row in the ledger, and answers with AffectedRows. Pure.
 */
export function restorePlan(graph: OwnerGraph, rows: Rows, action: string): Statement {
  const root = graph.model(rows.model);
  const rootTable = tableOf(graph, root);
  // Before anything is restored, which the ledger records.
  const deletion = `deletion AS MATERIALIZED (SELECT ${POLICY_SCHEMA}.marked_by(${nameAndKey(rootTable, 't')}) AS id FROM ${rootTable.name} t WHERE ${rows.where})`;
  return changePlan(graph, rows, { action, what: 'restored', first: deletion }, (rules) => {
    const { model, deletedAt } = rules;
    const deletedBy = fieldOf(model, 'deletedBy');
    const isOfIt = `EXISTS (SELECT FROM deletion d WHERE ${POLICY_SCHEMA}.is_marked_by(d.id, ${nameAndKey(tableOf(graph, rules), 'm')}))`;
    return {
      sets: [deletedAt, deletedBy].flatMap((field) =>
        field?.isOptional ? [`${escapeIdentifier(field.column)} = NULL`] : [],
      ),
      condition:
        deletedAt && root.deletedAt
          ? `${sameTime(graph, rows, deletedAt, root.deletedAt)} AND ${isOfIt}`
          : 'false',
    };
  });
}

function nameAndKey(table: TableSql, alias: string): string {
  return `${table.ledgerName}, ${ledgerKey(table, columnsOf(alias))}`;
}

/** Returns the models whose rows a deletion of the root's rows marks: the root first. */
export function markedModels(graph: OwnerGraph, root: string): ModelRules[] {
  return modelsOf(graph.model(root), graph.down(root, marked));
}

/** What happens to the rows, and a CTE that is evaluated first. */
interface Fate {
  readonly action: string;
  readonly what: 'marked' | 'restored';
  readonly first?: string;
}

interface Change {
  readonly sets: readonly string[];
  readonly condition: string;
}

function changePlan(
  graph: OwnerGraph,
  rows: Rows,
  { action, what, first }: Fate,
  changeOf: (rules: ModelRules) => Change,
): Statement {
  const reached = new ReachedRows(graph, rows, graph.down(rows.model, marked));
  const models = markedModels(graph, rows.model);
  const ctes = models.map((rules, index) => {
    const table = tableOf(graph, rules);
    const { sets, condition } = changeOf(rules);
    const assignments = [...sets, ...updateTimes(rules.model)].join(', ');
    return `c${index} AS (UPDATE ${table.name} AS m SET ${assignments}
   WHERE ${reached.includes(rules.model.name, 'm')} AND ${condition} RETURNING ${ledgerKey(table, columnsOf('m'))} AS key)`;
  });
  const counts = models.map((rules, index) =>
    recordedRows(`c${index}`, {
      model: rules.model.name,
      table: tableOf(graph, rules),
      action: `$${rows.values.length + 1}`,
      what,
    }),
  );
  return {
    sql: `WITH RECURSIVE ${[...(first === undefined ? [] : [first]), reached.cte, ...ctes].join(',\n')}\n${counts.join('\nUNION ALL ')}`,
    values: [...rows.values, action],
  };
}

/** Prisma sets these itself; here its part is done for it. */
function updateTimes({ fields }: Model): string[] {
  return fields
    .filter(({ isUpdatedAt }) => isUpdatedAt)
    .map((field) => `${escapeIdentifier(field.column)} = ${timeSql(field)}`);
}

/** The transaction's time in ms, which most columns keep exactly; in UTC where the column has no zone. */
function timeSql(field: Field): string {
  const now = `date_trunc('milliseconds', transaction_timestamp())`;
  return isZoned(field) ? now : `${now} AT TIME ZONE 'UTC'`;
}

/** Compares two marks as the less exact column has them. */
function sameTime(graph: OwnerGraph, rows: Rows, deletedAt: Field, rootDeletedAt: Field): string {
  const precision = Math.min(precisionOf(deletedAt), precisionOf(rootDeletedAt));
  const utc = (alias: string, field: Field) =>
    `(${alias}.${escapeIdentifier(field.column)}${isZoned(field) ? ` AT TIME ZONE 'UTC'` : ''})::timestamp(${precision})`;
  const root = tableOf(graph, graph.model(rows.model)).name;
  return `${utc('m', deletedAt)} IN (SELECT ${utc('t', rootDeletedAt)} FROM ${root} t WHERE ${rows.where})`;
}

function precisionOf({ nativeType }: Field): number {
  // Prisma's own default is TIMESTAMP(3), PostgreSQL's is 6.
  if (nativeType === undefined) return 3;
  if (nativeType.startsWith('Date')) return 0;
  return Number(/\((\d)\)/.exec(nativeType)?.[1] ?? 6);
}

/** A free label; a number or a UUID would refer to a row, and who deletes may be an operator without one. */
function isLabel(field: Field | undefined): field is Field {
  return field?.type === 'String' && !field.isList && !/^Uuid\b/.test(field.nativeType ?? '');
}

function lengthOf({ nativeType = '' }: Field): number {
  return Number(/\((\d+)\)/.exec(nativeType)?.[1] ?? 200);
}
