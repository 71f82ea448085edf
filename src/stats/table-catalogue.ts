/** One row of the catalogue query; numbers beyond 2^31 come as text from pg and are cast to float8 here. */
export interface CatalogueRow {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  readonly partitioned: boolean;
  readonly estimate: number;
  readonly exact: boolean;
  /** Whether a count by this role would be allowed and see every row: row-level security hides none. */
  readonly countable: boolean;
  /** Another session holds it, an index or a leaf of it exclusively, or waits to: it was not opened. */
  readonly locked: boolean;
  /** Whether the sizes were measured, and not estimated. */
  readonly sizes_exact: boolean;
  /** Heap pages of the leaves: what a count has to read. Null where that is not known. */
  readonly pages: number | null;
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

const BLOCK_BYTES = `pg_catalog.current_setting('block_size')::int`;

/** How many tables a catalogue query opens: each costs the server 0.3 ms and, in the memory of its session, 15 kB. */
interface Reach {
  /** So many of the largest are measured, with their indexes. */
  readonly measured: number;
  /** Of so many that were never vacuumed or analyzed only the heap is: is it empty, or small enough to count? */
  readonly looked: number;
}

/**
 * Everything about every table in one query. Leaves of a partitioned table are summed into their topmost parent.
 *
 * Sizes are those of the last VACUUM or ANALYZE (`relpages`), which open no table; only the largest are measured. A
 * table that is locked exclusively is never opened, nor one that a session waits to lock so: whoever opens it waits
 * behind.
 *
 * `reltuples` is exact where ANALYZE saw every page (it samples 300 pages per statistics target, 30,000 by
 * default) and nothing was changed since; an empty file holds no rows. A replica keeps no activity
 * statistics, so nothing but an empty file is exact there.
 */
function catalogueQuery({ measured, looked }: Reach): string {
  return `
WITH locked AS MATERIALIZED (
  SELECT l.relation AS oid
    FROM pg_catalog.pg_locks l
   WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
), indexes AS MATERIALIZED (
  SELECT i.indrelid, sum(x.relpages)::float8 AS pages, bool_or(x.oid IN (SELECT oid FROM locked)) AS locked
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
   GROUP BY i.indrelid
), leaf AS (
  SELECT c.oid, c.relkind, c.relispartition, c.reltuples, c.relpages,
         c.relpages + coalesce(toast.relpages, 0) + coalesce(toast_index.pages, 0) AS table_pages,
         coalesce(index.pages, 0) AS index_pages,
         c.oid IN (SELECT oid FROM locked) OR coalesce(toast.oid IN (SELECT oid FROM locked), false)
           OR coalesce(index.locked, false) OR coalesce(toast_index.locked, false) AS locked,
         pg_catalog.pg_stat_get_live_tuples(c.oid) AS live,
         pg_catalog.pg_stat_get_dead_tuples(c.oid) AS dead,
         pg_catalog.pg_stat_get_mod_since_analyze(c.oid) AS changed,
         greatest(pg_catalog.pg_stat_get_last_vacuum_time(c.oid),
                  pg_catalog.pg_stat_get_last_autovacuum_time(c.oid)) AS last_vacuum,
         greatest(pg_catalog.pg_stat_get_last_analyze_time(c.oid),
                  pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) AS last_analyze
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
    LEFT JOIN indexes index ON index.indrelid = c.oid
    LEFT JOIN indexes toast_index ON toast_index.indrelid = toast.oid
   WHERE c.relkind IN ('r', 'p')
     AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'pgkeep')
     AND n.nspname !~ '^pg_(temp|toast_temp)_'
), ranked AS (
  SELECT leaf.*,
         CASE WHEN relkind = 'r' AND NOT locked
              THEN row_number() OVER (PARTITION BY relkind, locked
                                      ORDER BY table_pages + index_pages
                                               + CASE WHEN relpages = 0 THEN live / 50 ELSE 0 END DESC)
              END AS size_rank,
         CASE WHEN relkind = 'r' AND NOT locked AND relpages = 0
              THEN row_number() OVER (PARTITION BY relkind, locked, relpages = 0 ORDER BY live) END AS new_rank
    FROM leaf
), measured AS (
  SELECT ranked.*,
         CASE WHEN size_rank <= ${measured} THEN pg_catalog.pg_table_size(oid) END AS table_bytes,
         CASE WHEN size_rank <= ${measured} THEN pg_catalog.pg_indexes_size(oid) END AS index_bytes,
         CASE WHEN size_rank <= ${measured} OR new_rank <= ${looked} THEN pg_catalog.pg_relation_size(oid)
              WHEN relkind = 'p' THEN 0
              WHEN relpages > 0 THEN relpages * ${BLOCK_BYTES}::bigint END AS heap_bytes
    FROM ranked
), summed AS (
  SELECT CASE WHEN relispartition THEN pg_catalog.pg_partition_root(oid)::oid ELSE oid END AS root,
         sum(CASE WHEN heap_bytes = 0 THEN 0
                  WHEN reltuples >= 0 AND relpages > 0 THEN reltuples ELSE live END)::float8 AS estimate,
         bool_and(coalesce(heap_bytes = 0, false)
                  OR (last_analyze IS NOT NULL AND changed = 0 AND coalesce(last_vacuum <= last_analyze, true)
                      AND relpages <= 30000)) AS exact,
         bool_or(locked) AS locked,
         bool_and(relkind = 'p' OR table_bytes IS NOT NULL) AS sizes_exact,
         CASE WHEN bool_and(heap_bytes IS NOT NULL) THEN (sum(heap_bytes) / ${BLOCK_BYTES})::float8 END AS pages,
         sum(coalesce(table_bytes, table_pages * ${BLOCK_BYTES})
             + coalesce(index_bytes, index_pages * ${BLOCK_BYTES}))::float8 AS total_bytes,
         sum(coalesce(index_bytes, index_pages * ${BLOCK_BYTES}))::float8 AS index_bytes,
         sum(dead)::float8 AS dead_rows,
         max(last_vacuum) AS last_vacuum,
         max(last_analyze) AS last_analyze
    FROM measured
   GROUP BY 1
)
SELECT s.root::text AS oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned, s.estimate, s.exact,
       NOT pg_catalog.row_security_active(s.root) AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
         AND pg_catalog.has_table_privilege(s.root, 'SELECT') AS countable,
       s.locked, s.sizes_exact, s.pages, s.total_bytes, s.index_bytes,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE s.dead_rows END AS dead_rows,
       s.last_vacuum, s.last_analyze
  FROM summed s
  JOIN pg_catalog.pg_class c ON c.oid = s.root
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace`;
}

/** The sizes of the largest tables measured. */
export const CATALOGUE_QUERY = catalogueQuery({ measured: 200, looked: 1000 });

/** All sizes estimated: opens no table, so no lock on one delays it. */
export const ESTIMATES_QUERY = catalogueQuery({ measured: 0, looked: 0 });
