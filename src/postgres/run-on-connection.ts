import type { Client, PoolClient } from 'pg';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { DatabaseSettings } from '../config/settings.js';
import { withConnection } from './connect.js';
import { databaseError } from './database-fault.js';
import type { DatabaseService } from './database.service.js';

/** How a dedicated connection is opened, and how its errors read. */
export interface DedicatedConnection {
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
