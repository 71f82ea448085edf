import type { Client } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import type { WatchOptions } from './lock-retries.js';

/** Cancels what a backend runs, from a session beside it; never fails: the statement then ends by its own limits. */
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

/** Sends SQL as one simple query. @param onStatement is called for every statement that is done */
export async function send(client: Client, sql: string, onStatement: () => void): Promise<void> {
  client.connection.on('commandComplete', onStatement);
  try {
    // Without parameters: the extended protocol takes one statement only.
    await client.query(sql);
  } finally {
    client.connection.off('commandComplete', onStatement);
  }
}

/** Ends a transaction that failed; where the session is lost this fails as well, and the first error is the one to report. */
export async function rollBack(client: Client): Promise<void> {
  await client.query('ROLLBACK').catch(() => undefined);
}

/** @throws PgkeepError `INTERRUPTED`. */
export function requireWanted(signal: AbortSignal): void {
  if (signal.aborted)
    throw new PgkeepError('INTERRUPTED', 'It was interrupted before PostgreSQL got the rest.');
}
