import type { Node, RangeVar } from 'libpg-query';
import { commandsOf, objectName, quoted, tableOf, type TableName } from '../ast.js';
import type { Rule } from '../rule.js';
import { walk } from '../walk.js';

/** ALTER TABLE commands whose lock lets others read and write. */
const MILD = new Set<string | undefined>([
  'AT_ValidateConstraint',
  'AT_SetStatistics',
  'AT_ClusterOn',
  'AT_DropCluster',
  'AT_SetRelOptions',
  'AT_ResetRelOptions',
  'AT_SetOptions',
  'AT_ResetOptions',
]);

/** Renames that lock a table; that of an index lets others read and write. */
const RENAMES = new Set<string | undefined>(['OBJECT_TABLE', 'OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT']);

/** A statement that locks a table in use, and no `lock_timeout` before it. */
export const noLockTimeout: Rule = {
  id: 'no-lock-timeout',
  on: [
    'AlterTableStmt',
    'CreateStmt',
    'IndexStmt',
    'RenameStmt',
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
        message: `No lock_timeout is set: while this waits for its lock on ${quoted(table)} behind one long query, every other query on the table waits behind it.`,
        rewrite: `-- As the first statement of the file: the migration then gives up, and can be tried again\nSET lock_timeout = '5s';`,
      },
    ];
  },
};

/** The tables that a statement locks against reading or writing. */
export function lockedTables(node: Node): TableName[] {
  if ('AlterTableStmt' in node && node.AlterTableStmt.objtype === 'OBJECT_TABLE') {
    const commands = commandsOf(node);
    if (commands.every(({ subtype }) => MILD.has(subtype))) return [];
    return [...named(node.AlterTableStmt.relation), ...referred(node)];
  }
  if ('CreateStmt' in node) return referred(node);
  if ('IndexStmt' in node && !node.IndexStmt.concurrent) return named(node.IndexStmt.relation);
  if ('RenameStmt' in node)
    return RENAMES.has(node.RenameStmt.renameType) ? named(node.RenameStmt.relation) : [];
  if ('CreateTrigStmt' in node) return named(node.CreateTrigStmt.relation);
  if ('TruncateStmt' in node) return relations(node.TruncateStmt.relations);
  if ('LockStmt' in node) return relations(node.LockStmt.relations);
  if ('DropStmt' in node && node.DropStmt.removeType === 'OBJECT_TABLE') {
    return (node.DropStmt.objects ?? []).map((object) => objectName(object));
  }
  return [];
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
