import type { Node } from 'libpg-query';
import { refusedInTransaction } from '../../migrations/lint/engine.js';
import type { ParsedFile } from '../../migrations/sql/parse-files.js';
import type { Statement } from '../../migrations/sql/statements.js';

/** How a file is run. */
export type ExecutionMode =
  /** These statements as one transaction. */
  | { readonly kind: 'transaction'; readonly statements: readonly Statement[] }
  /** One after the other: one of them cannot run in a transaction, or the file has its own transactions. */
  | { readonly kind: 'statements'; readonly statements: readonly Statement[] }
  /** As one query: the parser cannot read the file, but PostgreSQL might. */
  | { readonly kind: 'query' };

/** Statements that leave the transaction open. */
const WITHIN = new Set(['TRANS_STMT_SAVEPOINT', 'TRANS_STMT_RELEASE', 'TRANS_STMT_ROLLBACK_TO']);

/**
 * Decides how a file is run: as one transaction, unless a statement prevents that. What only the database shows (a procedure
 * that commits, a new value of an enum that is used) turns up when it is run. Pure.
 */
export function executionModeOf({ statements, obstacles }: ParsedFile): ExecutionMode {
  if (statements.length === 0 && obstacles.length > 0) return { kind: 'query' };
  const inner = wrapped(statements);
  const isOneTransaction = inner.every(
    ({ node }) => refusedInTransaction(node) === undefined && !boundsTransaction(node),
  );
  return isOneTransaction ? { kind: 'transaction', statements: inner } : { kind: 'statements', statements };
}

/** Returns the statements without a BEGIN and COMMIT around all of them, which change nothing. */
function wrapped(statements: readonly Statement[]): readonly Statement[] {
  const [first, last] = [statements[0]?.node, statements.at(-1)?.node];
  const isWrapped =
    isPlain(first, 'TRANS_STMT_BEGIN', 'TRANS_STMT_START') && isPlain(last, 'TRANS_STMT_COMMIT');
  return isWrapped ? statements.slice(1, -1) : statements;
}

function isPlain(node: Node | undefined, ...kinds: readonly string[]): boolean {
  if (!node || !('TransactionStmt' in node)) return false;
  const { kind = '', options = [], chain = false } = node.TransactionStmt;
  return kinds.includes(kind) && options.length === 0 && !chain;
}

function boundsTransaction(node: Node): boolean {
  return 'TransactionStmt' in node && !WITHIN.has(node.TransactionStmt.kind ?? '');
}

/** Statements that may commit, themselves or in what they call. */
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

/** Whether a statement must run outside a transaction block, or may end one. Pure. */
export function mayCommit(node: Node, sql: string): boolean {
  const [kind = ''] = Object.keys(node);
  if (MAY_COMMIT.has(kind) || refusedInTransaction(node) !== undefined) return true;
  return 'DoStmt' in node && /\b(?:commit|rollback)\b/i.test(sql);
}

/** Whether a statement changes nothing in the database: a session setting, or the start or end of a transaction. Pure. */
export function isOfSession(node: Node): boolean {
  return 'VariableSetStmt' in node || 'VariableShowStmt' in node || 'TransactionStmt' in node;
}
