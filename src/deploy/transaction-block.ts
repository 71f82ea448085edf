import type { Node } from 'libpg-query';
import { refusedInTransaction } from '../migrations/lint/engine.js';

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

/** Whether a statement runs outside a transaction block, or may end one. Pure. */
export function mayCommit(node: Node, sql: string): boolean {
  const [kind = ''] = Object.keys(node);
  if (MAY_COMMIT.has(kind) || refusedInTransaction(node) !== undefined) return true;
  return 'DoStmt' in node && /\b(?:commit|rollback)\b/i.test(sql);
}

/** Whether a statement changes nothing in the database: a setting of the session, or a transaction's bounds. Pure. */
export function isOfSession(node: Node): boolean {
  return 'VariableSetStmt' in node || 'VariableShowStmt' in node || 'TransactionStmt' in node;
}
