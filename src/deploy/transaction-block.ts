import type { Node } from 'libpg-query';
import { commandsOf } from '../migrations/lint/ast.js';

/** Statements that PostgreSQL runs in no transaction block, whatever they say. */
const APART = new Set([
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'AlterSystemStmt',
]);

/** Statements that may commit by themselves, by what they call or work on. */
const MAY_COMMIT = new Set([
  'TransactionStmt',
  'VacuumStmt',
  'CallStmt',
  'ReindexStmt',
  'ClusterStmt',
  'CreateSubscriptionStmt',
  'AlterSubscriptionStmt',
  'DropSubscriptionStmt',
  'DiscardStmt',
]);

const REINDEXED_APART = new Set([
  'REINDEX_OBJECT_SCHEMA',
  'REINDEX_OBJECT_SYSTEM',
  'REINDEX_OBJECT_DATABASE',
]);

/** Whether PostgreSQL refuses a statement in a transaction block, whatever is in the database. Pure. */
export function standsAlone(node: Node): boolean {
  const [kind = ''] = Object.keys(node);
  if (APART.has(kind)) return true;
  if ('VacuumStmt' in node) return node.VacuumStmt.is_vacuumcmd === true;
  if ('ClusterStmt' in node) return node.ClusterStmt.relation === undefined;
  if ('DiscardStmt' in node) return node.DiscardStmt.target === 'DISCARD_ALL';
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true;
  if ('DropStmt' in node) return node.DropStmt.concurrent === true;
  if ('ReindexStmt' in node) {
    const { kind: what = '', params = [] } = node.ReindexStmt;
    const isConcurrent = params.some((one) => 'DefElem' in one && one.DefElem.defname === 'concurrently');
    return isConcurrent || REINDEXED_APART.has(what);
  }
  return commandsOf(node).some(
    ({ subtype, def }) =>
      subtype === 'AT_DetachPartition' &&
      def !== undefined &&
      'PartitionCmd' in def &&
      def.PartitionCmd.concurrent === true,
  );
}

/** Whether a statement runs outside a transaction block, or may end one. Pure. */
export function mayCommit(node: Node, sql: string): boolean {
  const [kind = ''] = Object.keys(node);
  if (MAY_COMMIT.has(kind) || standsAlone(node)) return true;
  return 'DoStmt' in node && /\b(?:commit|rollback)\b/i.test(sql);
}

/** Whether a statement changes nothing in the database: a setting of the session, or a transaction's bounds. Pure. */
export function isOfSession(node: Node): boolean {
  return 'VariableSetStmt' in node || 'VariableShowStmt' in node || 'TransactionStmt' in node;
}
