import type { Client } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { LIFT_DDL_GUARD } from '../../guard/ddl/ddl-guard-sql.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { oneMessage } from '../../postgres/mark.js';
import type { Progress, ScriptContext } from './apply.types.js';
import { checkDeclaration, type Declaration } from './declarations.js';
import type { RunnerOptions } from './lock-retries.js';

/**
 * Runs `work` in a dedicated session for scripts. Aborting the signal cancels the statement that it runs.
 * @param applicationName its name in pg_stat_activity
 * @throws what connecting and `work` throw.
 */
export async function withScriptSession<T>(
  options: RunnerOptions,
  applicationName: string,
  work: (client: Client, backendPid: number) => Promise<T>,
): Promise<T> {
  const { url, connectTimeoutMs, signal } = options;
  // No timeout on the client: the server's statement_timeout decides.
  const connection: ConnectionOptions = {
    connectTimeoutMs,
    answerTimeoutMs: 0,
    applicationName,
    purpose: 'scripts',
  };
  return await withConnection(url, connection, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
    const backendPid = rows[0]?.pid ?? 0;
    const cancel = (): void => void cancelBackend(backendPid, options, applicationName);
    signal.addEventListener('abort', cancel);
    try {
      return await work(client, backendPid);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  });
}

/** Cancels what a backend runs, from another session. Never fails: the statement then ends by its own timeout. */
async function cancelBackend(
  backendPid: number,
  { url, timeouts, connectTimeoutMs }: RunnerOptions,
  applicationName: string,
): Promise<void> {
  const options = { connectTimeoutMs, answerTimeoutMs: timeouts.statementTimeoutMs, applicationName };
  await withConnection(url, options, (client) =>
    client.query('SELECT pg_catalog.pg_cancel_backend($1)', [backendPid]),
  ).catch(() => undefined);
}

/** Returns the SQL that sets the timeouts of a script and lifts the DDL guard. Pure. */
export function beginScript({ statementTimeoutMs, lockTimeoutMs }: RunnerOptions): string {
  return oneMessage(
    `SET statement_timeout = ${statementTimeoutMs}`,
    `SET lock_timeout = ${lockTimeoutMs}`,
    LIFT_DDL_GUARD,
  );
}

/**
 * Runs `work` in a transaction, and notes when COMMIT is sent.
 * @param begin the SQL that begins it
 * @throws what node-postgres or `work` throws, after the transaction was rolled back.
 */
export async function inTransaction(
  client: Client,
  progress: Pick<Progress, 'wasCommitting'>,
  begin: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await client.query(begin);
    await work();
    progress.wasCommitting = true;
    await client.query('COMMIT');
  } catch (error) {
    await rollBack(client);
    throw error;
  }
}

/**
 * Sends statements of a script, then checks what the last of them declares.
 * @param onStatement called for each completed statement
 * @throws PgkeepError `INTERRUPTED`, `DEPLOY_FAILED`; what node-postgres throws.
 */
export async function sendChecked(
  { client, options, onFound }: ScriptContext,
  sql: string,
  declared: readonly Declaration[],
  onStatement: () => void,
): Promise<void> {
  requireNotInterrupted(options.signal);
  await send(client, sql, onStatement);
  for (const declaration of declared) await checkDeclaration(client, declaration, onFound);
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

/** Checks that the signal is not aborted. @throws PgkeepError `INTERRUPTED`. */
export function requireNotInterrupted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  throw new PgkeepError('INTERRUPTED', 'Interrupted before the rest was sent to PostgreSQL.');
}
