import type { Node, RangeVar } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { columnPath, quoted, tableOf, walk } from '../../sql/syntax-tree.js';
import { isAlwaysTrue } from '../always-true.js';
import type { RuleContext, StatementKind, StatementRule, Violation } from '../rule.js';

/** Statements that can contain an UPDATE or a DELETE, themselves or in a WITH. */
const WRITERS: readonly StatementKind[] = [
  'UpdateStmt',
  'DeleteStmt',
  'InsertStmt',
  'SelectStmt',
  'MergeStmt',
  'CreateTableAsStmt',
  'ExplainStmt',
];

export const updateWithoutWhere: StatementRule = {
  id: 'update-without-where',
  severity: 'error',
  summary: 'UPDATE of every row: without WHERE, or with one that is always true',
  details:
    '`WHERE 1=1`, `id = id`, `id IS NOT NULL` and others are always true. Not if every assigned column is new in the same plan, or keeps its value (`c = coalesce(c, …)`).',
  breaks: 'The previous values are lost in every row; only a backup has them.',
  instead: 'Name the rows in the `WHERE`.',
  on: WRITERS,
  check: (statement, context) =>
    find(statement.node, 'UpdateStmt').flatMap((node): Violation[] => {
      if (!('UpdateStmt' in node)) return [];
      const { relation, whereClause, targetList, returningClause, fromClause } = node.UpdateStmt;
      const why = whyEveryRow(relation, whereClause, fromClause, context);
      if (why === undefined) return [];
      if (targetList?.every((target) => losesNothing(target, relation, context))) return [];
      const target = targetList?.[0];
      const column = target && 'ResTarget' in target ? (target.ResTarget.name ?? '') : '';
      const isWhole = node === statement.node && !whereClause && !returningClause;
      return [
        {
          index: statement.indexOf(relation?.location),
          message: `UPDATE changes every row of ${quoted(tableOf(relation))} (${context.sizeText(tableOf(relation))}): ${why}. The previous values are lost.`,
          rewrite: isWhole
            ? `${statement.sql}\nWHERE ${escapeIdentifier(column)} IS NULL; -- or another condition that names the rows to change`
            : `UPDATE ${quoted(tableOf(relation))} SET … WHERE ${escapeIdentifier(column)} IS NULL; -- or another condition that names the rows to change`,
        },
      ];
    }),
};

export const deleteWithoutWhere: StatementRule = {
  id: 'delete-without-where',
  severity: 'error',
  summary: 'DELETE of every row: without WHERE, or with one that is always true',
  details: 'Not if the same plan creates the table, or if the table is empty.',
  breaks: 'All rows of the table are lost; only a backup has them.',
  instead: 'Soft delete, or name the rows in the `WHERE`.',
  on: WRITERS,
  check: (statement, context) =>
    find(statement.node, 'DeleteStmt').flatMap((node): Violation[] => {
      if (!('DeleteStmt' in node)) return [];
      const { relation, whereClause, usingClause } = node.DeleteStmt;
      const why = whyEveryRow(relation, whereClause, usingClause, context);
      if (why === undefined) return [];
      const table = quoted(tableOf(relation));
      const { columns } = context.schema.table(tableOf(relation)) ?? {};
      const mark = columns?.has('deletedAt')
        ? 'deletedAt'
        : columns?.has('deleted_at')
          ? 'deleted_at'
          : undefined;
      return [
        {
          index: statement.indexOf(relation?.location),
          message: `DELETE removes every row of ${table} (${context.sizeText(tableOf(relation))}): ${why}. Only a backup can restore them.`,
          rewrite:
            mark === undefined
              ? `DELETE FROM ${table} WHERE …; -- name the rows to delete`
              : `UPDATE ${table} SET ${escapeIdentifier(mark)} = now() WHERE …; -- soft delete; name the rows to delete`,
        },
      ];
    }),
};

function find(node: Node, kind: 'UpdateStmt' | 'DeleteStmt'): Node[] {
  const found: Node[] = [];
  walk(node, (inner) => {
    if (kind in inner) found.push(inner);
  });
  return found;
}

/** Says why a statement changes every row; undefined if it does not, or if nothing is lost. */
function whyEveryRow(
  relation: RangeVar | undefined,
  where: Node | undefined,
  others: readonly Node[] | undefined,
  context: RuleContext,
): string | undefined {
  const table = tableOf(relation);
  // Nothing but these migrations has put rows into a table that they create.
  if (context.isNew(table) || context.isKnownEmpty(table)) return undefined;
  const columns = context.schema.table(table)?.columns;
  const target = {
    table,
    name: relation?.alias?.aliasname ?? table.name,
    isAlone: (others ?? []).length === 0,
    isRequired: (column: string) => columns?.get(column)?.isRequired === true,
  };
  if (!where) return 'it has no WHERE';
  if (isAlwaysTrue(where, target)) return 'its WHERE is true for every row';
  return target.isAlone || mayName(where, target.name) ? undefined : 'its WHERE names no column of the table';
}

/** Whether a condition names a column of the target, or one without a qualifier, which may be the target's. */
function mayName(where: Node, target: string): boolean {
  let found = false;
  walk(where, (inner) => {
    if (!('ColumnRef' in inner)) return;
    const path = columnPath(inner);
    found ||= path.length < 2 || path.includes(target);
  });
  return found;
}

/** What was added with the migration held nothing before; `c = c` and `c = coalesce(c, …)` keep what a row holds. */
function losesNothing(target: Node, relation: RangeVar | undefined, context: RuleContext): boolean {
  if (!('ResTarget' in target)) return false;
  const { name = '', val } = target.ResTarget;
  if (context.isNewColumn(tableOf(relation), name)) return true;
  const [first] = val && 'CoalesceExpr' in val ? (val.CoalesceExpr.args ?? []) : [val];
  const path = columnPath(first);
  const alias = relation?.alias?.aliasname ?? relation?.relname;
  return path.at(-1) === name && (path.length === 1 || path.at(-2) === alias);
}
