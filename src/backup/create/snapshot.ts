import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { boundedList } from '../../core/text.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { oneMessage } from '../../postgres/mark.js';
import { queryOne } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';

/** How often the connection that holds the snapshot sends a query, so that no firewall closes it. */
const KEEPALIVE_MS = 30_000;

/** Settings of the snapshot's transaction, in addition to those of every session of pgkeep. */
const SETTINGS = {
  lock_timeout: '30s',
  // The server ends a query whose client was killed.
  client_connection_check_interval: '1s',
  row_security: 'off',
} as const;

/** A read-only transaction whose snapshot pg_dump uses. */
export interface Snapshot {
  /** For `pg_dump --snapshot`. */
  readonly id: string;
  /** Stops the keepalive. The transaction ends with the connection. */
  readonly release: () => void;
}

/**
 * Begins a transaction on the client's connection, and exports its snapshot.
 * @param beforeSnapshot runs in the transaction before the snapshot is taken (LOCK TABLE does not take one)
 */
export async function beginSnapshot(
  client: Client,
  beforeSnapshot: () => Promise<void> = async () => undefined,
): Promise<Snapshot> {
  const settings = await settingStatements(client);
  await client.query(oneMessage('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', ...settings));
  await beforeSnapshot();
  const { id } = await queryOne<{ id: string }>(client, 'SELECT pg_catalog.pg_export_snapshot() AS id');
  const timer = setInterval(() => {
    // A broken connection is reported by the next query of the backup.
    client.query('SELECT 1').catch(() => undefined);
  }, KEEPALIVE_MS);
  return { id, release: () => clearInterval(timer) };
}

/** Returns the settings as statements (which take no snapshot), without those that this PostgreSQL does not have. */
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
 * Runs `work` in the client's transaction, and releases the locks that it took: a query also locks each index of its
 * table, and all of them together would not fit into the server's lock table.
 */
export async function releasingLocks<T>(client: Client, work: () => Promise<T>): Promise<T> {
  await client.query('SAVEPOINT pgkeep_locks');
  const release = (): Promise<unknown> =>
    client.query('ROLLBACK TO SAVEPOINT pgkeep_locks; RELEASE SAVEPOINT pgkeep_locks');
  try {
    const result = await work();
    await release();
    return result;
  } catch (error) {
    // The first failure is reported.
    await release().catch(() => undefined);
    throw error;
  }
}

/** Runs `work` on a connection that is cut when the signal is aborted: its query ends immediately. */
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

/** How many tables one statement locks. If one of them no longer exists, each is locked separately. */
const AT_A_TIME = 200;

/** How often a new snapshot is taken if tables changed before they were locked. */
const SNAPSHOT_TRIES = 20;

/** How often to check whether a session waits for the locks. */
const POLL_MS = 20;

/** SQLSTATEs of a table that no longer exists, or whose name is now that of another kind of object. */
const IS_GONE = new Set<string>([
  SQLSTATE.undefinedTable,
  SQLSTATE.invalidSchemaName,
  SQLSTATE.wrongObjectType,
]);

/**
 * Takes a snapshot and locks what pg_dump will lock: every table, but no index. No table can be altered, emptied or
 * dropped between the snapshot and the end of the dump.
 *
 * The tables are locked first, because LOCK TABLE waits for other sessions without taking the snapshot. If a table was
 * created or dropped between the locks and the snapshot, another snapshot is taken.
 * @param quietMs for how long no session may wait for these locks, because pg_dump would wait behind it; the last try
 *   does not require it
 * @throws PgkeepError `BACKUP_FAILED` if tables changed each time; errors of the server.
 */
export async function beginLockedSnapshot(
  client: Client,
  { quietMs }: { quietMs: number },
): Promise<Snapshot> {
  for (let tried = 1; ; tried += 1) {
    const known = await listNames(client);
    const snapshot = await beginSnapshot(client, () => lockExisting(client, known));
    try {
      await lockExisting(client, await listChanged(client));
      const changed = await listChanged(client);
      const isLast = tried >= SNAPSHOT_TRIES;
      if (changed.length === 0 && (isLast || (await staysQuiet(client, quietMs)))) return snapshot;
      if (isLast) throw changedEachTime(changed);
    } catch (error) {
      snapshot.release();
      throw error;
    }
    snapshot.release();
    await client.query('ROLLBACK');
  }
}

async function listNames(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT r.name FROM ${OWN_RELATIONS} r WHERE r.relkind IN ('r', 'p') ORDER BY r.oid`,
  );
  return rows.map(({ name }) => name);
}

/** Lists the snapshot's tables that this session has not locked, or that were rewritten since. */
async function listChanged(client: Client): Promise<string[]> {
  // pg_relation_filenode() returns the current file, the column the snapshot's.
  const { rows } = await client.query<{ name: string }>(
    `SELECT r.name
       FROM ${OWN_RELATIONS} r
       JOIN pg_catalog.pg_class c ON c.oid = r.oid
       LEFT JOIN (SELECT DISTINCT h.relation FROM pg_catalog.pg_locks h
                   WHERE h.pid = pg_catalog.pg_backend_pid() AND h.locktype = 'relation' AND h.granted) l
              ON l.relation = r.oid
      WHERE r.relkind IN ('r', 'p')
        AND (l.relation IS NULL
             OR (r.relkind = 'r' AND pg_catalog.pg_relation_filenode(r.oid) IS DISTINCT FROM c.relfilenode))
      ORDER BY r.name COLLATE "C"`,
  );
  return rows.map(({ name }) => name);
}

/** Locks each table that still exists under its name. */
async function lockExisting(client: Client, names: readonly string[]): Promise<void> {
  for (let start = 0; start < names.length; start += AT_A_TIME) {
    const some = names.slice(start, start + AT_A_TIME);
    if (await lock(client, some)) continue;
    for (const name of some) await lock(client, [name]);
  }
}

/** Locks tables. @returns false if one of them no longer exists; none of them is locked then. */
async function lock(client: Client, names: readonly string[]): Promise<boolean> {
  await client.query('SAVEPOINT pgkeep_lock');
  try {
    await client.query(`LOCK TABLE ${names.map((name) => `ONLY ${name}`).join(', ')} IN ACCESS SHARE MODE`);
  } catch (error) {
    if (!IS_GONE.has(errorCode(error) ?? '')) throw error;
    await client.query('ROLLBACK TO SAVEPOINT pgkeep_lock; RELEASE SAVEPOINT pgkeep_lock');
    return false;
  }
  await client.query('RELEASE SAVEPOINT pgkeep_lock');
  return true;
}

/** Returns whether no session waited for a table that this one has locked, for a while. */
async function staysQuiet(client: Client, quietMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < quietMs; waitedMs += POLL_MS) {
    await sleep(POLL_MS);
    const { waiting } = await queryOne<{ waiting: boolean }>(
      client,
      `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks w
                        JOIN pg_catalog.pg_locks h ON h.database = w.database AND h.relation = w.relation
                       WHERE w.locktype = 'relation' AND NOT w.granted AND w.pid <> h.pid
                         AND h.granted AND h.pid = pg_catalog.pg_backend_pid()) AS waiting`,
    );
    if (waiting) return false;
  }
  return true;
}

function changedEachTime(tables: readonly string[]): PgkeepError {
  return new PgkeepError(
    'BACKUP_FAILED',
    `Cannot back up: tables were dropped, renamed, emptied or rewritten while each of ${SNAPSHOT_TRIES} snapshots was taken; during the last one: ${boundedList(tables, 1)}.`,
    {
      hint: 'No backup was kept. Run the backup again when the migration or the job that changes tables has ended.',
    },
  );
}
