import type { Client } from 'pg';
import { oneMessage } from '../postgres/mark.js';

/** How often the connection that holds the snapshot says something, for the firewalls between. */
const KEEPALIVE_MS = 30_000;

/** Settings of the snapshot's transaction, besides those that each session of pgkeep has. */
const SETTINGS = {
  lock_timeout: '30s',
  // The server ends a query whose client was killed.
  client_connection_check_interval: '1s',
  row_security: 'off',
} as const;

/** A read-only transaction whose view of the database pg_dump shares. */
export interface Snapshot {
  /** For `pg_dump --snapshot`. */
  readonly id: string;
  /** Stops the keepalive. The transaction ends with its connection. */
  readonly release: () => void;
}

/**
 * Begins the transaction on a connection of its own, and exports its snapshot.
 * @param beforehand runs in the transaction before its snapshot is taken: LOCK TABLE takes none
 */
export async function beginSnapshot(
  client: Client,
  beforehand: () => Promise<void> = async () => undefined,
): Promise<Snapshot> {
  const settings = await settingStatements(client);
  await client.query(oneMessage('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', ...settings));
  await beforehand();
  const { rows } = await client.query<{ id: string }>('SELECT pg_catalog.pg_export_snapshot() AS id');
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('the server exported no snapshot');
  const timer = setInterval(() => {
    // A broken connection is told by the query that needs it.
    client.query('SELECT 1').catch(() => undefined);
  }, KEEPALIVE_MS);
  return { id, release: () => clearInterval(timer) };
}

/** The settings as statements, which take no snapshot; without those that this version of PostgreSQL does not have. */
async function settingStatements(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ statement: string }>(
    `SELECT pg_catalog.format('SET LOCAL %I TO %L', wanted.key, wanted.value) AS statement
       FROM pg_catalog.json_each_text($1) wanted
      WHERE pg_catalog.current_setting(wanted.key, true) IS NOT NULL`,
    [JSON.stringify(SETTINGS)],
  );
  return rows.map(({ statement }) => statement);
}

/**
 * Runs `work` in the client's transaction, and gives back the locks that it took: a query locks each index of its
 * table, too, and all of them together would not fit into the server's lock table.
 */
export async function releasingLocks<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('SAVEPOINT pgkeep_locks');
  const giveBack = (): Promise<unknown> =>
    client.query('ROLLBACK TO SAVEPOINT pgkeep_locks; RELEASE SAVEPOINT pgkeep_locks');
  try {
    const result = await work();
    await giveBack();
    return result;
  } catch (error) {
    // Of two failures the first one counts.
    await giveBack().catch(() => undefined);
    throw error;
  }
}

/** Runs `work` on a connection that is cut when the signal is aborted: its query ends at once. */
export async function whileConnected<T>(
  client: Client,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const cut = (): void => {
    client.connection.stream.destroy();
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', cut, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener('abort', cut);
  }
}
