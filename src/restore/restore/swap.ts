import { setTimeout as sleep } from 'node:timers/promises';
import { escapeIdentifier, type Client } from 'pg';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { commentStatement } from '../server/database-properties.js';

/** How often the swap is tried against clients that connect anew all the time. */
const TRIES = 3;
const POLL_MS = 20;
/** PostgreSQL waits five seconds for a database's sessions to end; this is less. */
const SESSIONS_DEADLINE_MS = 4500;

/** Two databases whose names change places, in one transaction of the catalogue. */
export interface SwapPlan {
  readonly database: string;
  /** The oid that the database had when the restore began; undefined: there is none, and none is replaced. */
  readonly oid: string | undefined;
  readonly restored: string;
  readonly replaced: string;
  readonly comment: string | null;
}

export interface SwapConnections {
  /** To another database of the server: does the renaming. */
  readonly renamer: Client;
  /** To another database of the server: ends sessions. */
  readonly usher: Client;
  /** Opens a connection to the database that is replaced; undefined where there is none, or it cannot be read. */
  readonly openReplaced: (() => Promise<Client>) | undefined;
  /** Opens a connection to the restored one. */
  readonly openRestored: () => Promise<Client>;
}

/** The last work before the names change: nobody else is in either database any more. */
export type LastWork = (restored: Client, replaced: Client | undefined) => Promise<void>;

/**
 * Renames the database aside and the restored one into its place. A rename locks the database's name first and then
 * waits for its sessions to end: whoever connects meanwhile waits, and finds the restored database afterwards. So
 * no pool that reconnects can get in between, and a kill at any moment leaves everything as it was.
 * @throws PgkeepError `RESTORE_FAILED`; the server's error.
 */
export async function swap(plan: SwapPlan, connections: SwapConnections, lastWork: LastWork): Promise<void> {
  for (let tried = 1; ; tried += 1) {
    try {
      await attempt(plan, connections, lastWork);
      return;
    } catch (error) {
      await connections.renamer.query('ROLLBACK').catch(() => undefined);
      // 55006: a session was still there after five seconds.
      if (tried >= TRIES || errorCode(error) !== '55006') throw error;
    }
  }
}

async function attempt(
  { database, oid, restored: restoredName, replaced: replacedName, comment }: SwapPlan,
  { renamer, usher, openReplaced, openRestored }: SwapConnections,
  lastWork: LastWork,
): Promise<void> {
  const restored = await openRestored();
  const replaced = await openReplaced?.();
  try {
    await renamer.query('BEGIN');
    await requireSame(renamer, database, oid);
    const aside = oid === undefined ? undefined : rename(renamer, database, replacedName);
    // Told below, where it is waited for.
    aside?.catch(() => undefined);
    if (oid !== undefined) {
      await awaitLock(usher, oid);
      await endSessions(usher, database, replaced ? await pidOf(replaced) : 0);
    }
    await restored.query('BEGIN');
    await lastWork(restored, replaced);
    await replaced?.end();
    await aside;
    await restored.query('COMMIT');
    await restored.end();
    const place = rename(renamer, restoredName, database);
    place.catch(() => undefined);
    await endSessions(usher, restoredName, 0);
    await place;
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
    `Database "${database}" is not the one that it was when the restore began: somebody replaced it meanwhile. It was not touched.`,
    { hint: 'Find out who did, then restore again.' },
  );
}

async function rename(client: Client, from: string, to: string): Promise<void> {
  await client.query(`ALTER DATABASE ${escapeIdentifier(from)} RENAME TO ${escapeIdentifier(to)}`);
}

async function pidOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** Waits until the rename holds the name: from then on nobody new comes in. */
async function awaitLock(usher: Client, oid: string): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < SESSIONS_DEADLINE_MS) {
    const { rowCount } = await usher.query(
      `SELECT FROM pg_catalog.pg_locks l
        WHERE l.locktype = 'object' AND l.classid = 'pg_catalog.pg_database'::pg_catalog.regclass
          AND l.objid = $1 AND l.mode = 'AccessExclusiveLock' AND l.granted`,
      [oid],
    );
    if (rowCount !== 0) return;
    await sleep(POLL_MS);
  }
}

/** Ends every session of a database but one, until none is left. Autovacuum gives way to a rename by itself. */
async function endSessions(usher: Client, database: string, kept: number): Promise<void> {
  const started = performance.now();
  while (performance.now() - started < SESSIONS_DEADLINE_MS) {
    const { rowCount } = await usher.query(
      `SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = $1 AND a.pid <> $2 AND a.backend_type <> 'autovacuum worker'`,
      [database, kept],
    );
    if (rowCount === 0) return;
    await sleep(POLL_MS);
  }
}
