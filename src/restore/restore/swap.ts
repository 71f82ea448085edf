import { setTimeout as sleep } from 'node:timers/promises';
import { escapeIdentifier, type Client } from 'pg';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { commentStatement } from '../server/database-properties.js';

/** How often the swap is tried while clients keep reconnecting. */
const TRIES = 3;
const POLL_MS = 20;
/** Less than the five seconds for which PostgreSQL waits for a database's sessions to end. */
const SESSIONS_DEADLINE_MS = 4500;

/** Which databases are renamed, in one transaction. */
export interface SwapPlan {
  readonly database: string;
  /** The oid of the database when the restore began; undefined if there was none to replace. */
  readonly oid: string | undefined;
  /** The restored database's name before the swap. */
  readonly restored: string;
  /** The replaced database's name after the swap. */
  readonly replaced: string;
  /** The comment to set on the restored database. */
  readonly comment: string | null;
}

export interface SwapConnections {
  /** Renames; connected to another database of the server. */
  readonly renamer: Client;
  /** Ends sessions; connected to another database of the server. */
  readonly terminator: Client;
  /** Opens a connection to the replaced database; undefined if there is none, or it cannot be read. */
  readonly openReplaced: (() => Promise<Client>) | undefined;
  /** Opens a connection to the restored database. */
  readonly openRestored: () => Promise<Client>;
}

/** The last work before the names change: no other session is connected to either database. */
export type LastWork = (restored: Client, replaced: Client | undefined) => Promise<void>;

/**
 * Renames the old database, and the restored one to its name. A rename first locks the database, then waits for its
 * sessions to end: a client that connects meanwhile waits, and reaches the restored database afterwards. A connection pool
 * cannot reconnect in between, and a kill at any moment leaves both names unchanged.
 * @throws PgkeepError `RESTORE_FAILED`; the server's error.
 */
export async function swap(plan: SwapPlan, connections: SwapConnections, lastWork: LastWork): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await attempt(plan, connections, lastWork);
      return;
    } catch (error) {
      await connections.renamer.query('ROLLBACK').catch(() => undefined);
      // object_in_use: a session was still connected after five seconds.
      if (tried >= TRIES || errorCode(error) !== SQLSTATE.objectInUse) throw error;
    }
  }
}

async function attempt(
  { database, oid, restored: restoredName, replaced: replacedName, comment }: SwapPlan,
  { renamer, terminator, openReplaced, openRestored }: SwapConnections,
  lastWork: LastWork,
): Promise<void> {
  const restored = await openRestored();
  const replaced = await openReplaced?.();
  try {
    await renamer.query('BEGIN');
    await requireSame(renamer, database, oid);
    const replacing = oid === undefined ? undefined : rename(renamer, database, replacedName);
    // Its error is thrown below, where it is awaited.
    replacing?.catch(() => undefined);
    if (oid !== undefined) {
      await awaitLock(terminator, oid);
      await endSessions(terminator, database, replaced ? await pidOf(replaced) : 0);
    }
    await restored.query('BEGIN');
    await lastWork(restored, replaced);
    await replaced?.end();
    await replacing;
    await restored.query('COMMIT');
    await restored.end();
    const renaming = rename(renamer, restoredName, database);
    renaming.catch(() => undefined);
    await endSessions(terminator, restoredName, 0);
    await renaming;
    await renamer.query(commentStatement(database, comment));
    await renamer.query('COMMIT');
  } finally {
    await Promise.all([replaced?.end().catch(() => undefined), restored.end().catch(() => undefined)]);
  }
}

async function requireSame(client: Client, database: string, oid: string | undefined): Promise<void> {
  const { rows } = await client.query<{ oid: string }>(
    'SELECT oid::text FROM pg_catalog.pg_database WHERE datname = $1',
    [database],
  );
  if (rows[0]?.oid === oid) return;
  throw new PgkeepError(
    'RESTORE_FAILED',
    `Did not restore: database "${database}" was created, dropped or replaced while the restore ran. It was not changed.`,
    { hint: 'Find out what changed it, then restore again.' },
  );
}

async function rename(client: Client, from: string, to: string): Promise<void> {
  await client.query(`ALTER DATABASE ${escapeIdentifier(from)} RENAME TO ${escapeIdentifier(to)}`);
}

async function pidOf(client: Client): Promise<number> {
  return (await queryOne<{ pid: number }>(client, 'SELECT pg_catalog.pg_backend_pid() AS pid')).pid;
}

/** Waits until the rename has locked the database: from then on no client can connect. */
async function awaitLock(terminator: Client, oid: string): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < SESSIONS_DEADLINE_MS) {
    const { rowCount } = await terminator.query(
      `SELECT FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
          AND l.objid = $1 AND l.mode = 'AccessExclusiveLock' AND l.granted`,
      [oid],
    );
    if (rowCount !== 0) return;
    await sleep(POLL_MS);
  }
}

/** Ends all sessions of a database except one. An autovacuum worker ends by itself when a rename waits for it. */
async function endSessions(terminator: Client, database: string, kept: number): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < SESSIONS_DEADLINE_MS) {
    const { rowCount } = await terminator.query(
      `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = $1 AND a.pid <> $2 AND a.backend_type <> 'autovacuum worker'`,
      [database, kept],
    );
    if (rowCount === 0) return;
    await sleep(POLL_MS);
  }
}
