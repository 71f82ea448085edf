import type { Node } from 'libpg-query';
import { columnOf, commandsOf, lastName, quoted, tableOf, type TableName } from '../ast.js';
import { ENGINE_NAMES } from '../engine.js';
import type { Rule, RuleContext, Statement } from '../rule.js';
import { lockedTables } from './no-lock-timeout.js';

/** A statement that takes as long as a table is large, in the transaction of one that blocks others until the end. */
export const riskyTogether: Rule = {
  id: 'risky-together',
  oncePerFile: true,
  on: ['UpdateStmt', 'DeleteStmt', 'InsertStmt', 'AlterTableStmt'],
  check: (statement, context) => {
    const long = longRun(statement.node, context);
    const held = long && lockHeld(statement, context);
    if (!long || !held) return [];
    const { what, table } = long;
    const how = context.statements.some(({ node }) => 'TransactionStmt' in node)
      ? 'Both stand in one transaction'
      : `${ENGINE_NAMES[context.engine]} applies the file as one transaction`;
    return [
      {
        severity: 'warning',
        index: statement.index,
        message: `${what} ${quoted(table)} (${context.sizeText(table)}) runs while an earlier statement of this file holds its lock on ${quoted(held)}: others wait for ${quoted(held)} until it is done. ${how}.`,
        rewrite: '-- In a migration of its own, behind this one.',
      },
    ];
  },
};

/** What runs long, and on which table; undefined for a statement that is short, or has a finding of its own for it. */
function longRun(node: Node, context: RuleContext): { what: string; table: TableName } | undefined {
  const large = (what: string, table: TableName) => (context.isLarge(table) ? { what, table } : undefined);
  if ('UpdateStmt' in node) {
    const { relation, whereClause } = node.UpdateStmt;
    return isOneRow(whereClause) ? undefined : large('UPDATE of', tableOf(relation));
  }
  if ('DeleteStmt' in node) {
    const { relation, whereClause } = node.DeleteStmt;
    return isOneRow(whereClause) ? undefined : large('DELETE from', tableOf(relation));
  }
  if ('InsertStmt' in node) {
    const { selectStmt } = node.InsertStmt;
    const from = selectStmt && 'SelectStmt' in selectStmt ? (selectStmt.SelectStmt.fromClause ?? []) : [];
    const [source] = from.flatMap((one) => ('RangeVar' in one ? [tableOf(one.RangeVar)] : []));
    return source && large('INSERT from', source);
  }
  const validates = commandsOf(node).some(({ subtype }) => subtype === 'AT_ValidateConstraint');
  return validates && 'AlterTableStmt' in node
    ? large('VALIDATE CONSTRAINT of', tableOf(node.AlterTableStmt.relation))
    : undefined;
}

/** A table in use that an earlier statement of the same transaction locks against reading or writing. */
function lockHeld(statement: Statement, context: RuleContext): TableName | undefined {
  return context.locking
    .filter((earlier) => context.shareTransaction(earlier, statement))
    .flatMap(({ node }) => lockedTables(node))
    .find((table) => !context.isNew(table));
}

/** `WHERE id = …` */
function isOneRow(where: Node | undefined): boolean {
  if (!where) return false;
  if ('BoolExpr' in where && where.BoolExpr.boolop === 'AND_EXPR')
    return (where.BoolExpr.args ?? []).some(isOneRow);
  if (!('A_Expr' in where) || lastName(where.A_Expr.name) !== '=') return false;
  return (
    columnOf(where.A_Expr.lexpr) === 'id' &&
    where.A_Expr.rexpr !== undefined &&
    'A_Const' in where.A_Expr.rexpr
  );
}
