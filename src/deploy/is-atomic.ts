import type { Node } from 'libpg-query';
import type { ParsedFile } from '../migrations/lint/parse-files.js';

/** Statements that PostgreSQL runs in no transaction block, or that end one. */
const APART = new Set([
  'TransactionStmt',
  'VacuumStmt',
  'CreatedbStmt',
  'DropdbStmt',
  'CreateTableSpaceStmt',
  'DropTableSpaceStmt',
  'AlterSystemStmt',
  'CallStmt',
  'ReindexStmt',
  'ClusterStmt',
]);

/**
 * Whether PostgreSQL applies all of a file or nothing: Prisma sends it as one query, hence as one transaction, unless
 * a statement of it commits by itself. What cannot be read may do so. Pure.
 */
export function isAtomic({ statements, obstacles }: ParsedFile): boolean {
  const isUnread = statements.length === 0 && obstacles.length > 0;
  return !isUnread && statements.every(({ node, sql }) => !mayCommit(node, sql));
}

/** Whether a statement runs outside a transaction block, or may end one. */
export function mayCommit(node: Node, sql: string): boolean {
  const [kind = ''] = Object.keys(node);
  if (APART.has(kind)) return true;
  if ('IndexStmt' in node) return node.IndexStmt.concurrent === true;
  if ('DropStmt' in node) return node.DropStmt.concurrent === true;
  if ('DoStmt' in node) return /\b(?:commit|rollback)\b/i.test(sql);
  // ALTER TYPE … ADD VALUE runs in a block since PostgreSQL 12; DETACH PARTITION CONCURRENTLY does not.
  return 'AlterTableStmt' in node && /\bconcurrently\b/i.test(sql);
}
