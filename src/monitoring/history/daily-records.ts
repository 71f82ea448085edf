import type { ClientBase } from 'pg';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { read, readOne, type ReadTimeouts } from '../../postgres/read.js';
import type { DayValue } from '../forecast.js';
import type { ObjectName } from '../probe-sql.js';
import type { HistoryVital } from './history-vitals.js';

/** How long rows of a day are kept, in days. */
const KEPT_DAYS = 90;
/** How far a trend looks back, in days. */
const TREND_DAYS = 30;
const LARGEST = 50;

/** SQL: the size of a table by its pages as of the last VACUUM or ANALYZE, indexes included: opens no table. */
const PAGES = `
  SELECT coalesce(i.indrelid, c.oid) AS oid, pg_catalog.sum(c.relpages)::bigint * pg_catalog.current_setting('block_size')::int AS bytes
    FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
   WHERE c.relkind IN ('r', 'm', 'i') AND c.oid >= 16384 GROUP BY 1`;

/** The last value of a day stays. */
const TABLE_SIZES = `
  INSERT INTO pgkeep.table_size (day, name, bytes, rows)
  SELECT pg_catalog.now()::date, pg_catalog.format('%I.%I', n.nspname, c.relname), s.bytes, greatest(c.reltuples, 0)::bigint
    FROM (${PAGES}) s JOIN pg_catalog.pg_class c ON c.oid = s.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE ${IS_OF_APPLICATION} ORDER BY s.bytes DESC LIMIT ${LARGEST}
  ON CONFLICT (day, name) DO UPDATE SET bytes = excluded.bytes, rows = excluded.rows`;

/** Indexes of more than 1 MB that are not unique: only those can be unnecessary. */
const INDEX_SCANS = `
  INSERT INTO pgkeep.index_scans (day, name, scans)
  SELECT pg_catalog.now()::date, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_stat_get_numscans(c.oid)
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'i' AND NOT i.indisunique AND c.relpages > 128 AND ${IS_OF_APPLICATION}
  ON CONFLICT (day, name) DO UPDATE SET scans = excluded.scans`;

/** Writes what is kept of each day, and deletes what is old, in the caller's transaction. */
export async function recordDay(client: ClientBase): Promise<void> {
  for (const sql of [TABLE_SIZES, INDEX_SCANS]) await client.query(sql);
  for (const table of ['table_size', 'index_scans']) {
    await client.query(`DELETE FROM pgkeep.${table} WHERE day < pg_catalog.now()::date - ${KEPT_DAYS}`);
  }
}

/** Reads which tables grew most, by the days that are known. */
export async function readGrowers(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<(ObjectName & { readonly bytes: number })[]> {
  return await read(client, {
    sql: `
      SELECT (pg_catalog.parse_ident(x.name))[1] AS schema, (pg_catalog.parse_ident(x.name))[2] AS name, x.bytes FROM (
        SELECT s.name, ((pg_catalog.array_agg(s.bytes ORDER BY s.day DESC))[1] - (pg_catalog.array_agg(s.bytes ORDER BY s.day))[1])::float8 AS bytes
          FROM pgkeep.table_size s WHERE s.day > pg_catalog.now()::date - ${TREND_DAYS} GROUP BY 1) x
       WHERE x.bytes > 0 ORDER BY x.bytes DESC LIMIT 3`,
    ...timeouts,
  });
}

/** A quarter of an hour of another day at the same time, and enough of them to know what is usual. */
const USUAL = `
  WITH quarter AS MATERIALIZED (
    SELECT s.at, (CASE pg_catalog.jsonb_typeof(s.vitals -> 'meanStatementMs') WHEN 'array' THEN s.vitals -> 'meanStatementMs' -> 0
                       ELSE s.vitals -> 'meanStatementMs' END)::float8 AS ms,
           extract(dow FROM s.at) = extract(dow FROM pg_catalog.now()) AS same_weekday
      FROM pgkeep.sample s
     WHERE s.step = 15 AND s.at BETWEEN pg_catalog.now() - interval '35 days' AND pg_catalog.now() - interval '12 hours'
       AND extract(hour FROM s.at) = extract(hour FROM pg_catalog.now()) AND s.vitals ? 'meanStatementMs')
  SELECT CASE WHEN count(DISTINCT q.at::date) FILTER (WHERE q.same_weekday) >= 3
              THEN pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY q.ms) FILTER (WHERE q.same_weekday)
              WHEN count(DISTINCT q.at::date) >= 3 THEN pg_catalog.percentile_cont(0.5) WITHIN GROUP (ORDER BY q.ms) END AS ms
    FROM quarter q`;

/** Reads how long statements usually take at this hour: of this weekday, else of every day; null if that is not known. */
export async function readUsualMs(client: ClientBase, timeouts: ReadTimeouts): Promise<number | null> {
  const { ms } = await readOne<{ ms: number | null }>(client, { sql: USUAL, ...timeouts });
  return ms;
}

/** Reads one value of each number for each of the last 30 days. */
export async function readDays(
  client: ClientBase,
  vitals: readonly HistoryVital[],
  timeouts: ReadTimeouts,
): Promise<ReadonlyMap<string, readonly DayValue[]>> {
  const rows = await read<{ name: string; day: number; value: number }>(client, {
    sql: `
      SELECT DISTINCT ON (2, s.at::date) extract(epoch FROM s.at)::float8 / 86400 AS day, k.name,
             (CASE pg_catalog.jsonb_typeof(s.vitals -> k.name) WHEN 'array' THEN s.vitals -> k.name -> 1 ELSE s.vitals -> k.name END)::float8 AS value
        FROM pgkeep.sample s CROSS JOIN LATERAL pg_catalog.unnest($1::text[]) k (name)
       WHERE s.step IN (15, 360) AND s.at > pg_catalog.now() - interval '${TREND_DAYS} days' AND s.vitals ? k.name
       ORDER BY 2, s.at::date, s.at DESC`,
    values: [vitals],
    ...timeouts,
  });
  const days = new Map<string, DayValue[]>();
  for (const { name, ...value } of rows) days.set(name, [...(days.get(name) ?? []), value]);
  return days;
}
