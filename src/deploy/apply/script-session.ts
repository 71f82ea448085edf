import type { Client } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import type { WatchOptions } from './lock-retries.js';

/** Cancels what a backend runs, from another session. Never fails: the statement then ends by its own timeout. */
export async function cancelBackend(
  backendPid: number,
  { url, timeouts, connectTimeoutMs }: Pick<WatchOptions, 'url' | 'timeouts' | 'connectTimeoutMs'>,
  applicationName: string,
): Promise<void> {
  const options = { connectTimeoutMs, answerTimeoutMs: timeouts.statementTimeoutMs, applicationName };
  await withConnection(url, options, (client) =>
    client.query('SELECT pg_catalog.pg_cancel_backend($1)', [backendPid]),
  ).catch(() => undefined);
}

/** Sends SQL as one simple query. @param onStatement called for each completed statement */
export async function send(client: Client, sql: string, onStatement: () => void): Promise<void> {
  client.connection.on('commandComplete', onStatement);
  try {
    // Without parameters, because the extended protocol takes only one statement.
    await client.query(sql);
  } finally {
    client.connection.off('commandComplete', onStatement);
  }
}

/** Ends a failed transaction. If the session is lost this fails too, and the first error is the one to report. */
export async function rollBack(client: Client): Promise<void> {
  await client.query('ROLLBACK').catch(() => undefined);
}

/** @throws PgkeepError `INTERRUPTED`. */
export function requireWanted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new PgkeepError('INTERRUPTED', 'Interrupted before the rest was sent to PostgreSQL.');
}
