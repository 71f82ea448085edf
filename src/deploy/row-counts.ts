import type { ClientBase } from 'pg';
import { errorCode } from '../core/errors.js';
import { OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';
import { read } from '../postgres/read.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import type { DeployDependencies } from './deploy-connection.js';
import type { ShrunkTable } from './deploy/deploy.types.js';

/** The longest time for counting rows, before and again after a deploy or rollback. */
const COUNT_BUDGET_MS = 10_000;

/** The longest time for one table; a slower one is not counted. */
const TABLE_MS = 1000;

/** Too slow, locked by another session, not readable by this role, dropped in the meantime. */
const UNCOUNTABLE = new Set<string>([
  SQLSTATE.queryCanceled,
  SQLSTATE.lockNotAvailable,
  SQLSTATE.insufficientPrivilege,
  SQLSTATE.undefinedTable,
]);

/** One table's rows. */
interface Count {
  readonly oid: string;
  /** schema.table, quoted where SQL needs it. */
  readonly name: string;
  /** Null if it could not be counted in time. */
  readonly rows: number | null;
}

/** The application's tables; Prisma's history and pgkeep's records grow with every deploy. */
const TABLES_QUERY = `
  SELECT r.oid::text AS oid, r.name
    FROM ${OWN_RELATIONS} r
    JOIN pg_catalog.pg_class c ON c.oid = r.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition
     AND n.nspname <> 'pgkeep' AND c.relname <> '_prisma_migrations'
   ORDER BY c.relpages, r.name COLLATE "C"`;

/**
 * Counts the rows of every table that can be counted quickly, small ones first.
 * @throws what the connection throws.
 */
export async function countRows(
  client: ClientBase,
  { clock, timeouts }: Pick<DeployDependencies, 'clock' | 'timeouts'>,
): Promise<Count[]> {
  const tables = await read<{ oid: string; name: string }>(client, { sql: TABLES_QUERY, ...timeouts });
  const end = clock.monotonicMs() + COUNT_BUDGET_MS;
  const counts: Count[] = [];
  for (const { oid, name } of tables) {
    const left = Math.min(TABLE_MS, end - clock.monotonicMs());
    counts.push({ oid, name, rows: left > 0 ? await countWithin(client, name, left) : null });
  }
  return counts;
}

/** Returns the tables with fewer rows; a renamed table is found by its oid, a re-created one by its name. Pure. */
export function compareCounts(
  before: readonly Count[],
  after: readonly Count[],
): { shrunk: ShrunkTable[]; notCounted: string[] } {
  const shrunk: ShrunkTable[] = [];
  const notCounted: string[] = [];
  for (const { oid, name, rows } of before) {
    const now = after.find((count) => count.oid === oid) ?? after.find((count) => count.name === name);
    if (rows === null || (now && now.rows === null)) notCounted.push(name);
    else if (rows > (now?.rows ?? 0)) shrunk.push({ name, before: rows, after: now?.rows ?? null });
  }
  return { shrunk, notCounted };
}

/**
 * Counts rows, or the values of `argument`, within a time.
 * @param table quoted where SQL needs it
 * @returns null where they cannot be counted in time, or not by this role.
 * @throws what the connection throws.
 */
export async function countWithin(
  client: ClientBase,
  table: string,
  timeoutMs: number,
  argument = '*',
): Promise<number | null> {
  try {
    const rows = await read<{ count: number }>(client, {
      sql: `SELECT pg_catalog.count(${argument})::float8 AS count FROM ${table}`,
      statementTimeoutMs: timeoutMs,
      lockTimeoutMs: timeoutMs / 2,
    });
    return rows[0]?.count ?? null;
  } catch (error) {
    if (UNCOUNTABLE.has(errorCode(error) ?? '')) return null;
    throw error;
  }
}
