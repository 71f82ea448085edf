import type { Node, RangeVar } from 'libpg-query';
import type { Statement } from '../../sql/statements.js';
import {
  columnOf,
  commandsOf,
  lastName,
  objectName,
  quoted,
  type TableName,
  tableOf,
  walk,
} from '../../sql/syntax-tree.js';
import { ALTER_TABLE } from '../alter-table-locks.js';
import { ENGINE_NAMES } from '../engine.js';
import type { Rule, RuleContext } from '../rule.js';
import { blocksOthers, STATEMENTS } from '../statement-locks.js';

/** The kinds of statements whose lock blocks reads or writes. */
const BLOCKING: ReadonlySet<string> = new Set(
  Object.entries(STATEMENTS).flatMap(([kind, { lock }]) => (blocksOthers(lock) ? [kind] : [])),
);

/** Renames that lock a table; that of an index lets others read and write. */
const RENAMES = new Set<string | undefined>(['OBJECT_TABLE', 'OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT']);

/** A statement that locks a table in use, and no `lock_timeout` before it. pgkeep's deploy sets one. */
export const noLockTimeout: Rule = {
  id: 'no-lock-timeout',
  oncePerFile: true,
  on: [
    'AlterTableStmt',
    'AlterObjectSchemaStmt',
    'AlterPolicyStmt',
    'CreatePolicyStmt',
    'CreateStmt',
    'IndexStmt',
    'RenameStmt',
    'RuleStmt',
    'CreateTrigStmt',
    'TruncateStmt',
    'LockStmt',
    'DropStmt',
  ],
  check: ({ node, index }, context) => {
    if (context.lockTimeoutIsSet) return [];
    const table = lockedTables(node).find((name) => !context.isNew(name));
    if (!table) return [];
    return [
      {
        severity: 'warning',
        index,
        message: `${context.engine === 'pgkeep' ? 'The file switches lock_timeout off' : `${ENGINE_NAMES[context.engine]} sets no lock_timeout`}: while this waits for its lock on ${quoted(table)} behind one long query, every other query on the table waits behind it.`,
        rewrite: `-- As the first statement of the file: the migration then gives up, and can be tried again\nSET lock_timeout = '5s';`,
      },
    ];
  },
};

/** The tables that a statement locks against reading or writing. */
export function lockedTables(node: Node): TableName[] {
  if (!blocks(node)) return [];
  if ('AlterTableStmt' in node) return [...named(node.AlterTableStmt.relation), ...referred(node)];
  if ('CreateStmt' in node) return referred(node);
  if ('IndexStmt' in node) return node.IndexStmt.concurrent ? [] : named(node.IndexStmt.relation);
  if ('RenameStmt' in node) {
    return RENAMES.has(node.RenameStmt.renameType) ? named(node.RenameStmt.relation) : [];
  }
  if ('AlterObjectSchemaStmt' in node) return named(node.AlterObjectSchemaStmt.relation);
  if ('CreateTrigStmt' in node) return named(node.CreateTrigStmt.relation);
  if ('CreatePolicyStmt' in node) return named(node.CreatePolicyStmt.table);
  if ('AlterPolicyStmt' in node) return named(node.AlterPolicyStmt.table);
  if ('RuleStmt' in node) return named(node.RuleStmt.relation);
  if ('ClusterStmt' in node) return named(node.ClusterStmt.relation);
  if ('RefreshMatViewStmt' in node) {
    return node.RefreshMatViewStmt.concurrent ? [] : named(node.RefreshMatViewStmt.relation);
  }
  if ('TruncateStmt' in node) return relations(node.TruncateStmt.relations);
  if ('LockStmt' in node) return relations(node.LockStmt.relations);
  if ('DropStmt' in node && node.DropStmt.removeType === 'OBJECT_TABLE') {
    return (node.DropStmt.objects ?? []).map((object) => objectName(object));
  }
  return [];
}

/** Whether PostgreSQL's lock for a statement blocks reads or writes. */
function blocks(node: Node): boolean {
  if ('AlterTableStmt' in node) {
    if (node.AlterTableStmt.objtype !== 'OBJECT_TABLE') return false;
    return commandsOf(node).some(({ subtype = 'AT_AddColumn' }) => blocksOthers(ALTER_TABLE[subtype].lock));
  }
  return BLOCKING.has(Object.keys(node)[0] ?? '');
}

/** The tables that foreign keys refer to: they are locked against writing, too. */
function referred(node: Node): TableName[] {
  const tables: TableName[] = [];
  walk(node, (inner) => {
    if ('Constraint' in inner) tables.push(...named(inner.Constraint.pktable));
  });
  return tables;
}

function named(relation: RangeVar | undefined): TableName[] {
  return relation ? [tableOf(relation)] : [];
}

function relations(nodes: readonly Node[] | undefined): TableName[] {
  return (nodes ?? []).flatMap((node) => ('RangeVar' in node ? [tableOf(node.RangeVar)] : []));
}

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
