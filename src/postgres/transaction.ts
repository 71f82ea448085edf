import type { ClientBase } from 'pg';
import { oneMessage } from './mark.js';
import { isPooled } from './session.js';

/** What a transaction of pgkeep's is begun with. */
export interface TransactionOptions {
  readonly mode: 'READ ONLY' | 'READ WRITE';
  /** In ms. */
  readonly statementTimeoutMs: number;
  /** In ms. Defaults to the session's, which is none. */
  readonly lockTimeoutMs?: number;
}

/** For results that read the same where a pooler hands out sessions with settings of the database's or the role's. */
const READABLE = [
  "SET LOCAL search_path = ''",
  "SET LOCAL datestyle = 'ISO, YMD'",
  "SET LOCAL intervalstyle = 'postgres'",
];

/**
 * The statements that begin a transaction, as one message: whatever the database or the role has set as a default,
 * and with `SET LOCAL`, because a setting of the session would leak to others where a pooler shares sessions.
 */
export function beginStatements(client: ClientBase, options: TransactionOptions): string {
  const { mode, statementTimeoutMs, lockTimeoutMs } = options;
  return oneMessage(
    `BEGIN ISOLATION LEVEL READ COMMITTED, ${mode}, NOT DEFERRABLE`,
    `SET LOCAL statement_timeout = ${wholeMs(statementTimeoutMs)}`,
    ...(lockTimeoutMs === undefined ? [] : [`SET LOCAL lock_timeout = ${wholeMs(lockTimeoutMs)}`]),
    ...(isPooled(client) ? READABLE : []),
  );
}

/** 0 would mean "no timeout". */
function wholeMs(duration: number): number {
  return Math.max(1, Math.floor(duration));
}
