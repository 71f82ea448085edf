import type { ClientBase } from 'pg';
import { oneMessage } from './mark.js';
import { isPooled } from './session.js';

/** Options of a transaction. */
export interface TransactionOptions {
  readonly mode: 'READ ONLY' | 'READ WRITE';
  /** In ms. */
  readonly statementTimeoutMs: number;
  /** In ms. Defaults to the session's, which is none. */
  readonly lockTimeoutMs?: number;
  /** Whether JIT is off, whose compilation can cost more than a query of the catalogue. */
  readonly isWithoutJit?: boolean;
}

/** For results that read the same where a pooler provides sessions with the settings of the database or the role. */
const READABLE = [
  "SET LOCAL search_path = ''",
  "SET LOCAL datestyle = 'ISO, YMD'",
  "SET LOCAL intervalstyle = 'postgres'",
];

/**
 * Returns the statements that begin a transaction, as one message: independent of defaults of the database or the role,
 * and with `SET LOCAL`, because a setting of the session would leak to others where a pooler shares sessions.
 */
export function beginStatements(client: ClientBase, options: TransactionOptions): string {
  const { mode, statementTimeoutMs, lockTimeoutMs, isWithoutJit = false } = options;
  return oneMessage(
    `BEGIN ISOLATION LEVEL READ COMMITTED, ${mode}, NOT DEFERRABLE`,
    `SET LOCAL statement_timeout = ${wholeMs(statementTimeoutMs)}`,
    ...(lockTimeoutMs === undefined ? [] : [`SET LOCAL lock_timeout = ${wholeMs(lockTimeoutMs)}`]),
    ...(isWithoutJit ? ['SET LOCAL jit = off'] : []),
    ...(isPooled(client) ? READABLE : []),
  );
}

/**
 * Runs `work` in a transaction, which is rolled back where it throws.
 * @throws what `work` throws, after the transaction was ended.
 */
export async function inTransaction<T>(
  client: ClientBase,
  options: TransactionOptions,
  work: () => Promise<T>,
): Promise<T> {
  await client.query(beginStatements(client, options));
  try {
    const result = await work();
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Where the connection broke, this fails too; the first error is the one to report.
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Returns at least 1 ms: 0 would mean "no timeout". */
function wholeMs(duration: number): number {
  return Math.max(1, Math.floor(duration));
}
