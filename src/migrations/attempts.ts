import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { courseOfLogs, type AttemptCourse } from './attempt-mark.js';

/** One attempt to apply a migration, as the history tells it. */
export interface Attempt {
  readonly name: string;
  readonly state: 'applied' | 'failed' | 'rolled back';
  /** `2026-01-02 03:04:05`, in UTC. */
  readonly started: string;
  /**
   * The first line of what PostgreSQL said (`ERROR: division by zero`), since those behind it may hold a row's values. Null where nobody wrote it
   * down: whoever began it did not live to.
   */
  readonly said: string | null;
  /** Of the file as it was run. */
  readonly checksum: string;
  /** How pgkeep ran it; undefined where something else did. */
  readonly course: AttemptCourse | undefined;
  /** `applied_steps_count`: of an attempt that pgkeep ran statement by statement, how many are applied. */
  readonly steps: number;
}

type Row = Omit<Attempt, 'course'> & { readonly logs: string | null };

/** PostgreSQL's own words out of what the engine of this or another version wrote around them. */
const SAID = `coalesce(pg_catalog.substring(logs, 'Error querying the database: ([^\\n]*)'),
                          pg_catalog.substring(logs, 'Database error:\\s*([^\\n]*)'),
                          pg_catalog.substring(pg_catalog.regexp_replace(logs, '^pgkeep: [^\\n]*', ''), '[^[:space:]][^\\n]*'))`;

/** The attempts in their order. @param schema of `_prisma_migrations`, which exists. @throws what the connection throws. */
export async function readAttempts(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
): Promise<Attempt[]> {
  const rows = await read<Row>(client, {
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
  return rows.map(({ logs, ...row }) => Object.assign(row, { course: courseOfLogs(logs) }));
}
