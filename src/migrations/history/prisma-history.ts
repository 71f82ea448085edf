import { type ClientBase, escapeIdentifier } from 'pg';
import { errorCode } from '../../core/errors.js';
import { currentRole, read, type ReadTimeouts, tableExists } from '../../postgres/read.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { MigrationHistory, MigrationsFault } from '../migrations.types.js';

/** An advisory lock as pg_locks shows it: classid, objid, objsubid. */
type AdvisoryLock = readonly [classId: number, objectId: number, objectSubId: number];

/** "pgke" and 1: pgkeep holds it during a complete deploy, backup included. */
export const OWN_DEPLOY_LOCK: AdvisoryLock = [0x70_67_6b_65, 1, 2];

/** Prisma's engine holds it while it applies migrations; a bigint, which pg_locks shows with objsubid 1. */
export const PRISMA_LOCK: AdvisoryLock = [0, 72_707_369, 1];

interface Row {
  readonly migration_name: string | null;
  readonly checksum: string | null;
  readonly finished: boolean | null;
  readonly rolled_back: boolean | null;
  readonly deploying_pid: number | null;
}

/** Reads Prisma's history, one row per attempt in `_prisma_migrations`, with one query, without the CLI or the engine. */
export class PrismaHistory {
  private readonly table: string;
  /** Only a table that was seen is queried: a missing one would fill the server's log with errors. */
  private wasSeen = false;

  /** @param schema PostgreSQL schema of `_prisma_migrations` */
  constructor(private readonly schema: string) {
    this.table = `${schema}._prisma_migrations`;
  }

  /**
   * @returns the history, or why it cannot be read.
   * @throws what the connection throws.
   */
  async read(client: ClientBase, timeouts: ReadTimeouts): Promise<MigrationHistory | MigrationsFault> {
    const { schema, table } = this;
    this.wasSeen ||= await tableExists(client, { schema, table: '_prisma_migrations' }, timeouts);
    if (!this.wasSeen) return { table, rows: undefined, deployingPid: undefined };
    try {
      return toHistory(table, await read<Row>(client, { sql: historyQuery(schema), ...timeouts }));
    } catch (error) {
      const code = errorCode(error);
      if (code === SQLSTATE.insufficientPrivilege)
        return await permissionFault(client, schema, table, timeouts);
      if (code === SQLSTATE.lockNotAvailable) return await lockFault(client, schema, table, timeouts);
      if (code !== SQLSTATE.undefinedTable) throw error;
      this.wasSeen = false;
      return { table, rows: undefined, deployingPid: undefined };
    }
  }
}

function toHistory(table: string, rows: readonly Row[]): MigrationHistory {
  return {
    table,
    deployingPid: rows[0]?.deploying_pid ?? undefined,
    rows: rows.flatMap(({ migration_name: name, checksum, finished, rolled_back: rolledBack }) =>
      // The outer join leaves one row of nulls where there is no attempt yet.
      name === null
        ? []
        : [{ name, checksum: checksum ?? '', finished: finished === true, rolledBack: rolledBack === true }],
    ),
  };
}

function historyQuery(schema: string): string {
  return `
    SELECT m.migration_name, m.checksum, m.finished_at IS NOT NULL AS finished,
           m.rolled_back_at IS NOT NULL AS rolled_back, deploy.pid AS deploying_pid
      FROM (SELECT (SELECT l.pid FROM pg_catalog.pg_locks l
                     WHERE l.locktype = 'advisory' AND l.granted
                       AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) = (${PRISMA_LOCK.join(', ')})
                       AND l.database = (SELECT oid FROM pg_catalog.pg_database
                                          WHERE datname = pg_catalog.current_database())
                     LIMIT 1) AS pid) deploy
      LEFT JOIN ${escapeIdentifier(schema)}._prisma_migrations m ON true
     ORDER BY m.started_at, m.migration_name`;
}

async function permissionFault(
  client: ClientBase,
  schema: string,
  table: string,
  timeouts: ReadTimeouts,
): Promise<MigrationsFault> {
  const role = escapeIdentifier(await currentRole(client, timeouts));
  const name = escapeIdentifier(schema);
  return {
    code: 'MIGRATIONS_PERMISSION_DENIED',
    text: `Role ${role} may not read ${table}`,
    hint: `Give it the grant: GRANT USAGE ON SCHEMA ${name} TO ${role}; GRANT SELECT ON ${name}._prisma_migrations TO ${role};`,
  };
}

/** Names the session that holds the table exclusively: a deploy that changes it, or a session that was left open. */
async function lockFault(
  client: ClientBase,
  schema: string,
  table: string,
  timeouts: ReadTimeouts,
): Promise<MigrationsFault> {
  const holders = await read<{ pid: number; who: string; seconds: string | null }>(client, {
    sql: `
      SELECT l.pid, coalesce(nullif(a.application_name, ''), 'no application_name') AS who,
             floor(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))::text AS seconds
        FROM pg_catalog.pg_locks l
        JOIN pg_catalog.pg_class c ON c.oid = l.relation
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
       WHERE l.granted AND l.mode = 'AccessExclusiveLock'
         AND c.relname = '_prisma_migrations' AND n.nspname = $1
         AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`,
    values: [schema],
    ...timeouts,
  });
  const holder = holders[0];
  const by = holder
    ? ` by pid ${holder.pid} (${holder.who}${holder.seconds ? `, for ${holder.seconds} s` : ''})`
    : '';
  return {
    code: 'MIGRATIONS_LOCKED',
    text: `${table} is locked${by}: a migration is being deployed`,
    hint: holder
      ? `Wait for the deploy to end. If nothing is being deployed: SELECT pg_terminate_backend(${holder.pid});`
      : 'Wait for the deploy to end.',
  };
}

/**
 * Reads the applied migrations in the caller's transaction; undefined where there is no `_prisma_migrations`.
 * @throws what the connection throws.
 */
export async function readAppliedMigrations(
  client: ClientBase,
  schema: string,
): Promise<{ name: string; checksum: string }[] | undefined> {
  const table = `${escapeIdentifier(schema)}._prisma_migrations`;
  const found = await client.query<{ found: boolean }>(
    'SELECT pg_catalog.to_regclass($1) IS NOT NULL AS found',
    [table],
  );
  if (found.rows[0]?.found !== true) return undefined;
  const { rows } = await client.query<{ name: string; checksum: string }>(
    `SELECT migration_name AS name, checksum FROM ${table}
      WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
      ORDER BY migration_name COLLATE "C", started_at`,
  );
  return rows;
}

/** One attempt to apply a migration, according to the history. */
export interface Attempt {
  readonly name: string;
  readonly state: 'applied' | 'failed' | 'rolled back';
  /** `2026-01-02 03:04:05`, in UTC. */
  readonly started: string;
  /**
   * The first line of PostgreSQL's error (`ERROR: division by zero`); later lines may contain values of a row. Null where
   * the error was not recorded, because the process that started the attempt was killed.
   */
  readonly said: string | null;
  /** The checksum of the file that was run. */
  readonly checksum: string;
  /** How pgkeep ran it; undefined where pgkeep did not run it. */
  readonly mode: AttemptMode | undefined;
  /** `applied_steps_count`: of an attempt that pgkeep ran statement by statement, how many are applied. */
  readonly steps: number;
}

type AttemptRow = Omit<Attempt, 'mode'> & { readonly logs: string | null };

/** Extracts PostgreSQL's own words from what any version of the engine wrote around them. */
const SAID = `coalesce(pg_catalog.substring(logs, 'Error querying the database: ([^\\n]*)'),
                          pg_catalog.substring(logs, 'Database error:\\s*([^\\n]*)'),
                          pg_catalog.substring(pg_catalog.regexp_replace(logs, '^pgkeep: [^\\n]*', ''), '[^[:space:]][^\\n]*'))`;

/** Returns the attempts in the order in which they started. @param schema of `_prisma_migrations`, which exists. @throws what the connection throws. */
export async function readAttempts(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
): Promise<Attempt[]> {
  const rows = await read<AttemptRow>(client, {
    sql: `SELECT migration_name AS name,
                 CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back'
                      WHEN finished_at IS NOT NULL THEN 'applied' ELSE 'failed' END AS state,
                 pg_catalog.to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS started,
                 ${SAID} AS said, checksum, applied_steps_count AS steps,
                 pg_catalog.substring(logs, '^pgkeep: [^\\n]*') AS logs
            FROM ${escapeIdentifier(schema)}._prisma_migrations
           ORDER BY started_at, migration_name`,
    ...timeouts,
  });
  return rows.map(({ logs, ...row }) => Object.assign(row, { mode: modeOfLogs(logs) }));
}

/** How pgkeep ran an attempt. */
export type AttemptMode =
  /** The script and the end of its row in the history were one transaction. */
  | { readonly kind: 'transaction' }
  /** Statement by statement; `applied_steps_count` counts the applied ones. */
  | { readonly kind: 'statements'; readonly total: number }
  /** As one query, because the parser could not read the file. */
  | { readonly kind: 'query' };

const STATEMENTS = /^pgkeep: (\d+) statements?, one by one$/;

const MARKS = { transaction: 'pgkeep: one transaction', query: 'pgkeep: one query' } as const;

/** Returns the first line of an attempt's `logs`: Prisma prints it, and pgkeep recognizes its own attempts by it. Pure. */
export function markOf(mode: AttemptMode): string {
  if (mode.kind !== 'statements') return MARKS[mode.kind];
  return `pgkeep: ${mode.total} ${mode.total === 1 ? 'statement' : 'statements'}, one by one`;
}

/** Reads how an attempt was run from its `logs`; undefined where pgkeep did not run it. Pure. */
function modeOfLogs(logs: string | null): AttemptMode | undefined {
  const [mark = ''] = (logs ?? '').split('\n');
  const total = STATEMENTS.exec(mark)?.[1];
  if (total !== undefined) return { kind: 'statements', total: Number(total) };
  if (mark === MARKS.transaction) return { kind: 'transaction' };
  return mark === MARKS.query ? { kind: 'query' } : undefined;
}

/** Returns whether another session is applying migrations to this database; in the caller's transaction. */
export async function isBeingDeployed(client: ClientBase): Promise<boolean> {
  const keys = [OWN_DEPLOY_LOCK, PRISMA_LOCK].map((key) => `(${key.join(', ')})`).join(', ');
  const { rowCount } = await client.query(`
    SELECT FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'advisory' AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
       AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) IN (${keys})
       AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`);
  return rowCount !== 0;
}
