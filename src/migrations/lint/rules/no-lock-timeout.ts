import type { Node, RangeVar } from 'libpg-query';
import { commandsOf, objectName, quoted, tableOf, type TableName } from '../ast.js';
import { ENGINE_NAMES } from '../engine.js';
import type { Rule } from '../rule.js';
import { ALTER_TABLE } from '../verdicts/alter-table.js';
import { STATEMENTS } from '../verdicts/statements.js';
import { blocksOthers } from '../verdicts/verdict.js';
import { walk } from '../walk.js';

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
