import type { Node, RangeVar } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import { columnPath, quoted, tableOf, walk } from '../../sql/syntax-tree.js';
import { isAlwaysTrue } from '../always-true.js';
import type { Rule, RuleContext, StatementKind, Violation } from '../rule.js';

/** Statements that can hold an UPDATE or a DELETE, themselves or in a WITH. */
const WRITERS: readonly StatementKind[] = [
  'UpdateStmt',
  'DeleteStmt',
  'InsertStmt',
  'SelectStmt',
  'MergeStmt',
  'CreateTableAsStmt',
  'ExplainStmt',
];

/** UPDATE of every row: without WHERE, or with one that always holds. */
export const updateWithoutWhere: Rule = {
  id: 'update-without-where',
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
          severity: 'error',
          index: statement.indexOf(relation?.location),
          message: `UPDATE changes every row of ${quoted(tableOf(relation))} (${context.sizeText(tableOf(relation))}): ${why}. What the rows held before is gone.`,
          rewrite: isWhole
            ? `${statement.sql}\nWHERE ${escapeIdentifier(column)} IS NULL; -- or whatever names the rows that are meant`
            : `UPDATE ${quoted(tableOf(relation))} SET … WHERE ${escapeIdentifier(column)} IS NULL; -- or whatever names the rows that are meant`,
        },
      ];
    }),
};

/** DELETE of every row: without WHERE, or with one that always holds. */
export const deleteWithoutWhere: Rule = {
  id: 'delete-without-where',
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
          severity: 'error',
          index: statement.indexOf(relation?.location),
          message: `DELETE removes every row of ${table} (${context.sizeText(tableOf(relation))}): ${why}. Only a backup brings them back.`,
          rewrite:
            mark === undefined
              ? `DELETE FROM ${table} WHERE …; -- name the rows that are meant`
              : `UPDATE ${table} SET ${escapeIdentifier(mark)} = now() WHERE …; -- soft delete, of the rows that are meant`,
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

/** Why a statement takes every row; undefined where it does not, or where that loses nothing. */
function whyEveryRow(
  relation: RangeVar | undefined,
  where: Node | undefined,
  others: readonly Node[] | undefined,
  context: RuleContext,
): string | undefined {
  const table = tableOf(relation);
  // The rows of a table that these migrations made are theirs to change.
  if (context.isNew(table) || context.isKnownEmpty(table)) return undefined;
  const columns = context.schema.table(table)?.columns;
  const target = {
    table,
    name: relation?.alias?.aliasname ?? table.name,
    isAlone: (others ?? []).length === 0,
    isRequired: (column: string) => columns?.get(column)?.isRequired === true,
  };
  if (!where) return 'it has no WHERE';
  if (isAlwaysTrue(where, target)) return 'its WHERE holds for every row';
  return target.isAlone || mayName(where, target.name) ? undefined : 'its WHERE names no column of it';
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
