import type { ClientBase } from 'pg';
import { OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';
import { read } from '../postgres/read.js';
import { errorCode } from '../core/errors.js';
import type { DeployNeeds } from './deploy-dependencies.js';
import type { ShrunkTable } from './deploy/deploy.types.js';

/** What counting rows may add to a deploy or a rollback, before and again after. */
const COUNT_BUDGET_MS = 10_000;

/** A table that takes longer is not counted: a deploy does not wait for it twice. */
const TABLE_MS = 1000;
/** What cannot be had: too slow, locked by somebody, not to be read by this role, dropped meanwhile. */
const NOT_TO_BE_HAD = new Set(['57014', '55P03', '42501', '42P01']);

/** One table's rows. */
interface Count {
  readonly oid: string;
  /** schema.table, quoted where SQL needs it. */
  readonly name: string;
  /** Null where it could not be counted in time. */
  readonly rows: number | null;
}

/** The application's tables; Prisma's history and pgkeep's own records grow with every deploy. */
const TABLES_QUERY = `
  SELECT r.oid::text AS oid, r.name
    FROM ${OWN_RELATIONS} r
    JOIN pg_catalog.pg_class c ON c.oid = r.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition
     AND n.nspname <> 'pgkeep' AND c.relname <> '_prisma_migrations'
   ORDER BY c.relpages, r.name COLLATE "C"`;

/**
 * Counts the rows of every table that can be counted quickly, the small ones first.
 * @throws what the connection throws.
 */
export async function countRows(
  client: ClientBase,
  { clock, timeouts }: Pick<DeployNeeds, 'clock' | 'timeouts'>,
): Promise<Count[]> {
  const tables = await read<{ oid: string; name: string }>(client, { sql: TABLES_QUERY, ...timeouts });
  const end = clock.monotonicMs() + COUNT_BUDGET_MS;
  const counts: Count[] = [];
  for (const { oid, name } of tables) {
    const left = Math.min(TABLE_MS, end - clock.monotonicMs());
    counts.push({ oid, name, rows: left > 0 ? await countTable(client, name, left) : null });
  }
  return counts;
}

/** What became less; a table that was renamed is found by its oid, one that was made anew by its name. Pure. */
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

async function countTable(client: ClientBase, name: string, timeoutMs: number): Promise<number | null> {
  try {
    const rows = await read<{ rows: number }>(client, {
      sql: `SELECT pg_catalog.count(*)::float8 AS rows FROM ${name}`,
      statementTimeoutMs: timeoutMs,
      lockTimeoutMs: timeoutMs / 2,
    });
    return rows[0]?.rows ?? null;
  } catch (error) {
    if (NOT_TO_BE_HAD.has(errorCode(error) ?? '')) return null;
    throw error;
  }
}
