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
import { ENGINE_NAMES } from '../engine.js';
import type { RuleContext, StatementRule } from '../rule.js';
import { ALTER_TABLE, blocksOthers, STATEMENTS } from '../command-locks.js';

/** The kinds of statements whose lock blocks reads or writes. */
const BLOCKING: ReadonlySet<string> = new Set(
  Object.entries(STATEMENTS).flatMap(([kind, { lock }]) => (blocksOthers(lock) ? [kind] : [])),
);

/** Renames that lock a table; that of an index lets others read and write. */
const RENAMES = new Set<string | undefined>(['OBJECT_TABLE', 'OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT']);

export const noLockTimeout: StatementRule = {
  id: 'no-lock-timeout',
  severity: 'warning',
  summary: 'A lock on a table in use, without a lock_timeout before it',
  details:
    '`pgkeep migrate deploy` sets one, so the rule applies only to files that switch it off, and to other programs (`--engine`).',
  breaks:
    'While the statement waits for its lock behind a long query, every other query on the table waits too.',
  instead: "`SET lock_timeout = '5s';` as the first statement of the file.",
  isOptional: true,
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
        index,
        message: `${context.engine === 'pgkeep' ? 'The file switches lock_timeout off' : `${ENGINE_NAMES[context.engine]} sets no lock_timeout`}. While this statement waits for its lock on ${quoted(table)} behind a long query, every other query on the table waits too.`,
        rewrite: `-- As the first statement of the file: instead of waiting, the migration fails and can be retried\nSET lock_timeout = '5s';`,
      },
    ];
  },
};

/** Returns the tables whose reads or writes a statement blocks. */
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

/** Returns the tables that foreign keys refer to: writes to them are blocked as well. */
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

export const riskyTogether: StatementRule = {
  id: 'risky-together',
  severity: 'warning',
  summary: 'A statement that runs long while the file holds a lock on a table in use',
  details:
    'A backfill, a `DELETE` or a `VALIDATE CONSTRAINT` on a large table, in one transaction with an earlier statement that locks a table in use.',
  breaks: 'Queries on the locked table wait until the long statement is done.',
  instead: 'A separate migration for the long statement, after this one.',
  largeTablesOnly: true,
  oncePerFile: true,
  on: ['UpdateStmt', 'DeleteStmt', 'InsertStmt', 'AT_ValidateConstraint'],
  check: (statement, context) => {
    const long = longRun(statement.node, context);
    const held = long && lockHeld(statement, context);
    if (!long || !held) return [];
    const { what, table } = long;
    const how = context.statements.some(({ node }) => 'TransactionStmt' in node)
      ? 'Both are in one transaction'
      : `${ENGINE_NAMES[context.engine]} applies the file as one transaction`;
    return [
      {
        index: statement.index,
        message: `${what} ${quoted(table)} (${context.sizeText(table)}) runs while an earlier statement of this file holds its lock on ${quoted(held)}. Queries on ${quoted(held)} wait until it is done. ${how}.`,
        rewrite: '-- In a separate migration, after this one.',
      },
    ];
  },
};

/** Returns what runs long, and on which table; undefined for a short statement. */
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

/** Returns a table in use whose reads or writes an earlier statement of the same transaction blocks. */
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
