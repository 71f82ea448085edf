import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { LOCKED_RELATIONS, nameOf, type ObjectName } from '../probe-sql.js';

interface Row {
  readonly bytes: number;
  readonly largest: readonly (ObjectName & { readonly bytes: number })[];
}

/**
 * Measures the database and its largest tables. Opens those tables, but not one that is locked; the order is that of the
 * pages as of the last VACUUM or ANALYZE, which opens none.
 */
export const sizes = defineProbe<Row, never>({
  name: 'sizes',
  tier: 'minute',
  cost: '1 ms; 280 ms with 10,000 tables, because the size of a database is that of its files',
  needs: 'CONNECT on the database',
  codes: {},
  sql: () => `
    WITH locked AS MATERIALIZED (${LOCKED_RELATIONS}),
    sizes AS MATERIALIZED (
      SELECT coalesce(i.indrelid, c.oid) AS oid, pg_catalog.sum(c.relpages)::float8
             * pg_catalog.current_setting('block_size')::int AS bytes
        FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
       WHERE c.relkind IN ('r', 'm', 'i') AND c.oid >= 16384 GROUP BY 1 ORDER BY 2 DESC LIMIT 40)
    SELECT pg_catalog.pg_database_size(pg_catalog.current_database())::float8 AS bytes,
           (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
              SELECT n.nspname AS schema, c.relname AS name,
                     CASE WHEN s.oid IN (SELECT relation FROM locked) THEN s.bytes
                          ELSE pg_catalog.pg_total_relation_size(s.oid)::float8 END AS bytes
                FROM sizes s JOIN pg_catalog.pg_class c ON c.oid = s.oid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE ${IS_OF_APPLICATION} ORDER BY 3 DESC, 1, 2 LIMIT 10) x) AS largest`,
  judge: ([row]) =>
    row
      ? {
          vitals: { sizeBytes: row.bytes },
          largest: row.largest.map((table) => ({ name: nameOf(table), bytes: table.bytes })),
        }
      : {},
});
