import type { ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { redactQuery } from '../postgres/redact-query.js';

interface Row {
  readonly pid: number;
  readonly user: string | null;
  readonly application: string | null;
  readonly address: string | null;
  readonly state: string | null;
  readonly seconds: number | null;
  readonly query: string | null;
}

/** A session, described for people. */
export interface SessionFacts {
  readonly pid: number;
  /** `pid 812 (psql of "app" at 10.0.0.7, idle in transaction for 42 s: UPDATE "children" SET …)` */
  readonly text: string;
}

/** `seconds`: the age of the session's transaction, or else of its state. */
const COLUMNS = `
  a.usename::text AS user, nullif(a.application_name, '') AS application, pg_catalog.host(a.client_addr) AS address,
  a.state, floor(extract(epoch FROM pg_catalog.clock_timestamp() - coalesce(a.xact_start, a.state_change)))::float8 AS seconds,
  a.query`;

/** What blocks a backend: sessions, or 0 for a prepared transaction. */
const BLOCKERS_QUERY = `
  SELECT DISTINCT b.pid, ${COLUMNS}
    FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) b (pid)
    LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = b.pid
   ORDER BY 1`;

/** @throws what the connection throws. */
export async function readBlockers(
  client: ClientBase,
  backendPid: number,
  timeouts: ReadTimeouts,
): Promise<SessionFacts[]> {
  const rows = await read<Row>(client, { sql: BLOCKERS_QUERY, values: [backendPid], ...timeouts });
  return rows.map(describe);
}

/**
 * Returns the sessions that hold one of these advisory locks, given as [classid, objid, objsubid] of pg_locks.
 * @throws what the connection throws.
 */
export async function readLockHolders(
  client: ClientBase,
  locks: readonly (readonly [number, number, number])[],
  timeouts: ReadTimeouts,
): Promise<SessionFacts[]> {
  const keys = locks.map((key) => `(${key.join(', ')})`).join(', ');
  const sql = `
    SELECT DISTINCT l.pid, ${COLUMNS}
      FROM pg_catalog.pg_locks l
      LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
       AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) IN (${keys})
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
     ORDER BY 1`;
  return (await read<Row>(client, { sql, ...timeouts })).map(describe);
}

function describe({ pid, user, application, address, state, seconds, query }: Row): SessionFacts {
  if (pid === 0) return { pid, text: 'a prepared transaction (see pg_prepared_xacts)' };
  if (user === null) return { pid, text: `pid ${pid}` };
  const who = `${application ?? 'no application_name'} of "${user}"${address === null ? '' : ` at ${address}`}`;
  // A role without privileges sees state and query only of sessions of the same role.
  const doing = state === null ? '' : `, ${state}${seconds === null ? '' : ` for ${seconds} s`}`;
  const text = state === null || query === null ? '' : redactQuery(query);
  return { pid, text: `pid ${pid} (${who}${doing}${text === '' ? '' : `: ${text}`})` };
}

/**
 * Whether a backend is busy for a session of this name; its pid alone may have been reused.
 * @throws what the connection throws.
 */
export async function isRunning(
  client: ClientBase,
  backendPid: number,
  timeouts: ReadTimeouts,
  applicationName: string,
): Promise<boolean> {
  const rows = await read(client, {
    sql: `SELECT FROM pg_catalog.pg_stat_activity
           WHERE pid = $1 AND state <> 'idle' AND application_name = $2`,
    values: [backendPid, applicationName],
    ...timeouts,
  });
  return rows.length > 0;
}
