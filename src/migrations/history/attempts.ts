import { type ClientBase, escapeIdentifier } from 'pg';
import { read, type ReadTimeouts } from '../../postgres/read.js';

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

type Row = Omit<Attempt, 'mode'> & { readonly logs: string | null };

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
