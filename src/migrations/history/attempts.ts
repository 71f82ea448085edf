import { type ClientBase, escapeIdentifier } from 'pg';
import { read, type ReadTimeouts } from '../../postgres/read.js';

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
  readonly mode: AttemptMode | undefined;
  /** `applied_steps_count`: of an attempt that pgkeep ran statement by statement, how many are applied. */
  readonly steps: number;
}

type Row = Omit<Attempt, 'mode'> & { readonly logs: string | null };

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
  return rows.map(({ logs, ...row }) => Object.assign(row, { mode: modeOfLogs(logs) }));
}

/** How pgkeep ran an attempt. */
export type AttemptMode =
  /** The script and the end of its row in the history were one transaction. */
  | { readonly kind: 'transaction' }
  /** One statement after the other; `applied_steps_count` counts those that are applied. */
  | { readonly kind: 'statements'; readonly total: number }
  /** The parser could not read the file: PostgreSQL got it as one query. */
  | { readonly kind: 'query' };

const STATEMENTS = /^pgkeep: (\d+) statements?, one by one$/;

const MARKS = { transaction: 'pgkeep: one transaction', query: 'pgkeep: one query' } as const;

/** The first line of an attempt's `logs`: stock Prisma prints it, and pgkeep knows its own attempts by it. Pure. */
export function markOf(mode: AttemptMode): string {
  if (mode.kind !== 'statements') return MARKS[mode.kind];
  return `pgkeep: ${mode.total} ${mode.total === 1 ? 'statement' : 'statements'}, one by one`;
}

/** What an attempt's `logs` say of how it was run; undefined where pgkeep did not run it. Pure. */
function modeOfLogs(logs: string | null): AttemptMode | undefined {
  const [mark = ''] = (logs ?? '').split('\n');
  const total = STATEMENTS.exec(mark)?.[1];
  if (total !== undefined) return { kind: 'statements', total: Number(total) };
  if (mark === MARKS.transaction) return { kind: 'transaction' };
  return mark === MARKS.query ? { kind: 'query' } : undefined;
}
