import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { boundedList } from '../../core/bounded-list.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { oneMessage } from '../../postgres/mark.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';

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

/** How many tables one statement locks; where one of them is gone, each is locked by itself. */
const AT_A_TIME = 200;

/** How often a snapshot is taken anew whose tables changed before they were locked. */
const SNAPSHOT_TRIES = 20;

/** How often it is looked whether a session waits for the locks. */
const LOOK_MS = 20;

/** The table or its schema is gone, or the name is that of something else now. */
const IS_GONE = new Set<string>([
  SQLSTATE.undefinedTable,
  SQLSTATE.invalidSchemaName,
  SQLSTATE.wrongObjectType,
]);

/**
 * Takes a snapshot and holds what pg_dump will hold: each of its tables, and no index. No migration comes between the
 * snapshot and the end of the dump, and what is emptied or dropped meanwhile is not mistaken for empty.
 *
 * The tables are locked first, because LOCK TABLE waits for who is at work without fixing what the transaction sees.
 * Where a table was made or dropped between the two, the next snapshot is taken.
 * @param quietMs for how long no session may wait for these locks: pg_dump would wait behind it. Where no snapshot
 *   stays so quiet, the last one has to do
 * @throws PgkeepError `BACKUP_FAILED` where they changed each time; what the server says.
 */
export async function beginLockedSnapshot(
  client: Client,
  { quietMs }: { quietMs: number },
): Promise<Snapshot> {
  for (let tried = 1; ; tried += 1) {
    const known = await listNames(client);
    const snapshot = await beginSnapshot(client, () => lockThoseThere(client, known));
    try {
      await lockThoseThere(client, await listMoved(client));
      const moved = await listMoved(client);
      const isLast = tried >= SNAPSHOT_TRIES;
      if (moved.length === 0 && (isLast || (await staysQuiet(client, quietMs)))) return snapshot;
      if (isLast) throw changingAllTheTime(moved);
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

/** The snapshot's tables that this session does not hold, or that are another file by now. */
async function listMoved(client: Client): Promise<string[]> {
  // pg_relation_filenode() gives the file of now, the column that of the snapshot.
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

/** Locks each table that is still there under its name. */
async function lockThoseThere(client: Client, names: readonly string[]): Promise<void> {
  for (let start = 0; start < names.length; start += AT_A_TIME) {
    const some = names.slice(start, start + AT_A_TIME);
    if (await lock(client, some)) continue;
    for (const name of some) await lock(client, [name]);
  }
}

/** @returns false where one of them is gone; then none of them is locked. */
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

/** Whether for a while no session waits for a table that this one has locked. */
async function staysQuiet(client: Client, quietMs: number): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < quietMs; waitedMs += LOOK_MS) {
    await sleep(LOOK_MS);
    const { rows } = await client.query<{ waiting: boolean }>(
      `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks w
                        JOIN pg_catalog.pg_locks h ON h.database = w.database AND h.relation = w.relation
                       WHERE w.locktype = 'relation' AND NOT w.granted AND w.pid <> h.pid
                         AND h.granted AND h.pid = pg_catalog.pg_backend_pid()) AS waiting`,
    );
    if (rows[0]?.waiting === true) return false;
  }
  return true;
}

function changingAllTheTime(tables: readonly string[]): PgkeepError {
  return new PgkeepError(
    'BACKUP_FAILED',
    `Cannot back up: ${boundedList(tables, 1)} was dropped, renamed, emptied or rewritten as the last of ${SNAPSHOT_TRIES} snapshots was taken, and others before.`,
    {
      hint: 'Nothing was kept. Run the backup again when the migration or the job that changes tables has ended.',
    },
  );
}
