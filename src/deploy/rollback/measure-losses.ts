import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import { errorCode } from '../../core/errors.js';
import { nameOf, type FullName, type Loss } from '../../migrations/down/losses.js';
import type { MeasuredLoss } from './rollback.types.js';

/** One count may take this long: somebody waits for the answer. */
const COUNT_MS = 5000;

/** What cannot be had: too slow, locked by somebody, not to be read by this role. */
const NOT_TO_BE_HAD = new Set(['57014', '55P03', '42501']);

/** Tables and columns that are there, by name. */
const EXISTING_QUERY = `
  SELECT n.nspname AS schema, c.relname AS table, pg_catalog.array_agg(a.attname::text) AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) AND NOT c.relispartition
   GROUP BY 1, 2 ORDER BY 1, 2`;

interface Existing extends FullName {
  readonly columns: readonly string[];
}

/**
 * Counts what is to be lost; a schema is counted table by table. What is not there, or holds nothing, is no loss.
 * @throws what the connection throws.
 */
export async function measureLosses(
  client: ClientBase,
  losses: readonly Loss[],
  timeouts: ReadTimeouts,
): Promise<MeasuredLoss[]> {
  const schemas = losses.map(({ table, name }) => table?.schema ?? name);
  const existing = await read<Existing>(client, { sql: EXISTING_QUERY, values: [schemas], ...timeouts });
  const measured: MeasuredLoss[] = [];
  for (const { kind, name, what, table, column } of losses.flatMap((loss) => byTable(loss, existing))) {
    const found = existing.find((one) => table && nameOf(one) === nameOf(table));
    const isThere = found && (column === undefined || found.columns.includes(column));
    const count = isThere ? await countOf(client, found, column) : 0;
    if (count !== 0) measured.push({ kind, name, what, count });
  }
  return measured;
}

function byTable(loss: Loss, existing: readonly Existing[]): Loss[] {
  if (loss.kind !== 'schema') return [loss];
  const { what, index } = loss;
  return existing
    .filter(({ schema }) => schema === loss.name)
    .map((table): Loss => ({ kind: 'table', name: nameOf(table), table, column: undefined, what, index }));
}

async function countOf(
  client: ClientBase,
  { schema, table }: FullName,
  column: string | undefined,
): Promise<number | null> {
  const counted = column === undefined ? '*' : escapeIdentifier(column);
  try {
    const rows = await read<{ count: number }>(client, {
      sql: `SELECT pg_catalog.count(${counted})::float8 AS count FROM ${escapeIdentifier(schema)}.${escapeIdentifier(table)}`,
      statementTimeoutMs: COUNT_MS,
      lockTimeoutMs: COUNT_MS / 2,
    });
    return rows[0]?.count ?? null;
  } catch (error) {
    if (NOT_TO_BE_HAD.has(errorCode(error) ?? '')) return null;
    throw error;
  }
}
