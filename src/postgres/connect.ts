import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, PoolClient } from 'pg';
import { type DatabaseUrl, describeDatabaseUrl } from '../config/database-url.js';
import type { DatabaseSettings } from '../config/settings.js';
import { errorCode, messageOf } from '../core/errors.js';
import { candidateClient, type ConnectionOptions } from './candidate-client.js';
import { CandidateRotation, walkCandidates } from './candidate-rotation.js';
import { databaseError } from './database-fault.js';
import type { DatabaseService } from './database.service.js';
import { closeClient } from './deadline.js';

/** Opens one connection. @throws the last candidate's error. */
export async function connectOnce(rotation: CandidateRotation, options: ConnectionOptions): Promise<Client> {
  return await walkCandidates(rotation, () => new (candidateClient(rotation, options))().connect());
}

/** The seeds' number of tries for a connection. */
const TRIES = 3;
const FIRST_PAUSE_MS = 100;

/** Errors of connecting that a second try may not have: the server starts, fails over, or sheds load. */
const TRANSIENT =
  /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ETIMEDOUT|EPIPE|57P0[123]|53300|08\w{3})$/;

/** Returns whether a second try may succeed. */
function isTransient(error: unknown): boolean {
  // pg's own error, without a code, for a server or a pooler that closes a connection while it begins.
  return TRANSIENT.test(errorCode(error) ?? '') || messageOf(error) === 'Connection terminated unexpectedly';
}

/**
 * Runs something that connects, up to three times with a doubling pause between (*seed*).
 * @param firstPauseMs the pause before the second try
 * @throws the last try's error; immediately where trying again cannot help (a wrong password).
 */
export async function withConnectionRetry<T>(
  attempt: () => Promise<T>,
  firstPauseMs = FIRST_PAUSE_MS,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tried >= TRIES || !isTransient(error)) throw error;
      await sleep(firstPauseMs * 2 ** (tried - 1));
    }
  }
}

/** Runs `work` on its own connection, which is closed afterwards. */
export async function withConnection<T>(
  url: DatabaseUrl,
  options: ConnectionOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const rotation = new CandidateRotation(url);
  const client = await withConnectionRetry(() => connectOnce(rotation, options));
  try {
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

/** How a dedicated connection is opened, and how its errors read. */
interface DedicatedConnection {
  /** Completes "Cannot … the database's URL": `install the DDL guard in`. */
  readonly operation: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** The longest statement. Defaults to `DB_QUERY_TIMEOUT` */
  readonly statementTimeoutMs?: number;
}

/**
 * Runs `work` on a dedicated connection to the primary, which is closed afterwards.
 * @throws PgkeepError what `work` throws, or a `DATABASE_…` code that names the operation.
 */
export async function runOnDedicatedConnection<T>(
  { url, connectTimeoutMs, queryTimeoutMs }: DatabaseSettings,
  { operation, applicationName, statementTimeoutMs = queryTimeoutMs }: DedicatedConnection,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  // Past the server's own timeout, so that the server's clearer message comes first.
  const options = { connectTimeoutMs, answerTimeoutMs: statementTimeoutMs + 1000, applicationName };
  return await withDatabaseErrors(`${operation} ${describeDatabaseUrl(url)}`, () =>
    withConnection(url, options, work),
  );
}

/**
 * Runs `work` on a connection of the primary's pool.
 * @param operation completes "Cannot …"
 * @throws PgkeepError what `work` throws, or a `DATABASE_…` code that names the operation.
 */
export async function runOnPool<T>(
  database: DatabaseService,
  operation: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return await withDatabaseErrors(operation, () => database.withPooled(database.primary, work));
}

/**
 * Runs `work`, and turns the driver's errors into pgkeep's. Those of pgkeep's own pass unchanged.
 * @param operation completes "Cannot …"
 */
export async function withDatabaseErrors<T>(operation: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw databaseError(operation, error);
  }
}
