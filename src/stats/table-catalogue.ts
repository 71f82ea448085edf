/** One row of the catalogue query; numbers beyond 2^31 come as text from pg and are cast to float8 here. */
export interface CatalogueRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  readonly estimate: number;
  readonly exact: boolean;
  /** Whether a count by this role would see every row: row-level security hides none. */
  readonly countable: boolean;
  /** Heap pages of the leaves: what a count has to read. */
  readonly pages: number;
  readonly total_bytes: number;
  readonly index_bytes: number;
  readonly dead_rows: number | null;
  readonly last_vacuum: Date | null;
  readonly last_analyze: Date | null;
}

/** Row of {@link DATABASE_QUERY}. */
export interface DatabaseRow {
  readonly size_bytes: number;
  readonly used: number;
  readonly max: number;
}

export const DATABASE_QUERY = `
  SELECT pg_catalog.pg_database_size(pg_catalog.current_database())::float8 AS size_bytes,
         (SELECT sum(numbackends) FROM pg_catalog.pg_stat_database)::int AS used,
         pg_catalog.current_setting('max_connections')::int AS max`;

/**
 * Everything about every table in one query. Leaves of a partitioned table are summed into their topmost parent.
 *
 * `reltuples` is exact where ANALYZE saw every page (it samples 300 pages per statistics target, 30,000 by
 * default) and nothing was changed since; an empty file holds no rows. A replica keeps no activity
 * statistics, so nothing but an empty file is exact there.
 */
export const CATALOGUE_QUERY = `
WITH leaf AS (
  SELECT c.oid, c.relkind, c.relispartition,
         CASE WHEN c.relispartition THEN pg_catalog.pg_partition_root(c.oid)::oid ELSE c.oid END AS root,
         c.reltuples,
         CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END AS table_bytes,
         CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_indexes_size(c.oid) ELSE 0 END AS index_bytes,
         CASE WHEN c.relkind = 'r' THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END AS heap_bytes,
         pg_catalog.pg_stat_get_live_tuples(c.oid) AS live,
         pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
         pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS changed,
         greatest(pg_catalog.pg_stat_get_last_vacuum_time(c.oid),
                  pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)) AS last_vacuum,
         greatest(pg_catalog.pg_stat_get_last_analyze_time(c.oid),
                  pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analyze
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'p')
     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgkeep')
     AND n.nspname !~ '^pg_(temp|toast_temp)_'
), summed AS (
  SELECT root,
         sum(CASE WHEN relkind = 'p' OR heap_bytes = 0 THEN 0
                  WHEN reltuples >= 0 THEN reltuples ELSE live END)::float8 AS estimate,
         bool_and(relkind = 'p' OR heap_bytes = 0
                  OR (last_analyze IS NOT NULL AND changed = 0 AND coalesce(last_vacuum <= last_analyze, true)
                      AND heap_bytes <= 30000 * 8192::bigint)) AS exact,
         (sum(heap_bytes) / 8192)::float8 AS pages,
         sum(table_bytes + index_bytes)::float8 AS total_bytes,
         sum(index_bytes)::float8 AS index_bytes,
         sum(dead)::float8 AS dead_rows,
         max(last_vacuum) AS last_vacuum,
         max(last_analyze) AS last_analyze
    FROM leaf
   GROUP BY root
)
SELECT s.root::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned, s.estimate, s.exact,
       NOT pg_catalog.row_security_active(s.root) AS countable,
       s.pages, s.total_bytes, s.index_bytes,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE s.dead_rows END AS dead_rows,
       s.last_vacuum, s.last_analyze
  FROM summed s
  JOIN pg_catalog.pg_class c ON c.oid = s.root
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;
