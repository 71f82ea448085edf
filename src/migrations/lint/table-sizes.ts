import type { ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import type { TableSize } from './lint.types.js';

/** The sizes of tables, in one query; the leaves of a partitioned one are summed. Tables that do not exist are left out. */
const SIZES_QUERY = `
  SELECT n.nspname || '.' || c.relname AS name, sum(pg_catalog.pg_relation_size(l.oid))::float8 AS bytes,
         sum(CASE WHEN l.reltuples >= 0 THEN l.reltuples
                  ELSE pg_catalog.pg_stat_get_live_tuples(l.oid) END)::float8 AS rows
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   CROSS JOIN LATERAL (SELECT c.oid WHERE c.relkind = 'r'
                       UNION ALL
                       SELECT relid FROM pg_catalog.pg_partition_tree(c.oid)
                        WHERE c.relkind = 'p' AND isleaf) leaf (oid)
    JOIN pg_catalog.pg_class l ON l.oid = leaf.oid
   WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)
   GROUP BY 1`;

/**
 * Reads the sizes of tables (`schema.table`, unquoted); those that do not exist are left out.
 * @throws what the connection throws.
 */
export async function readTableSizes(
  client: ClientBase,
  tables: readonly string[],
  timeouts: ReadTimeouts,
): Promise<Map<string, TableSize>> {
  const rows = await read<{ name: string; bytes: number; rows: number }>(client, {
    sql: SIZES_QUERY,
    values: [tables],
    ...timeouts,
  });
  return new Map(rows.map(({ name, bytes, rows: count }) => [name, { bytes, rows: count }]));
}

/**
 * Reads which of some tables (`schema.table`, unquoted) do not exist: no schema has anything of that name.
 * @throws what the connection throws.
 */
export async function readAbsentTables(
  client: ClientBase,
  tables: readonly string[],
  timeouts: ReadTimeouts,
): Promise<string[]> {
  const rows = await read<{ name: string }>(client, {
    sql: `
      SELECT DISTINCT w.name FROM pg_catalog.unnest($1::text[]) w (name)
       WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                          WHERE c.relname = pg_catalog.substr(w.name, pg_catalog.strpos(w.name, '.') + 1))`,
    values: [tables],
    ...timeouts,
  });
  return rows.map(({ name }) => name);
}

/**
 * Reads whether the database has a table besides those of PostgreSQL, extensions, Prisma and pgkeep.
 * @throws what the connection throws.
 */
export async function holdsTables(client: ClientBase, timeouts: ReadTimeouts): Promise<boolean> {
  const rows = await read(client, {
    sql: `
      SELECT FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND c.relname <> '_prisma_migrations'
         AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep')
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                          WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                            AND d.objid = c.oid AND d.deptype = 'e')
       LIMIT 1`,
    ...timeouts,
  });
  return rows.length > 0;
}
