import type { SummarizedValues } from './history-vitals.js';

/**
 * The history as it is stored: table pgkeep.sample, one row for each minute, quarter of an hour and six hours. The names
 * of the numbers are data, so a new one needs no migration.
 */

/** The lengths of time that rows stand for, in minutes, and how long they are kept, in hours. */
export const STEPS = [
  { minutes: 1, keptHours: 48 },
  { minutes: 15, keptHours: 35 * 24 },
  { minutes: 360, keptHours: 2 * 365 * 24 },
] as const;

/** Writes the minute `$1` (epoch seconds) with the values `$2`. A minute is written once. */
export const WRITE_MINUTE = `
  INSERT INTO pgkeep.sample (step, at, vitals) VALUES (1, pg_catalog.to_timestamp($1::float8), $2::jsonb)
  ON CONFLICT (step, at) DO NOTHING`;

/** Replaces the newest report. */
export const WRITE_REPORT = `
  INSERT INTO pgkeep.monitoring_report AS r (id, at, report) VALUES (1, pg_catalog.now(), $1::jsonb)
  ON CONFLICT (id) DO UPDATE SET at = excluded.at, report = excluded.report`;

/** Reads the newest report, if it is newer than `$1` seconds. */
export const READ_REPORT = `
  SELECT r.report FROM pgkeep.monitoring_report r WHERE r.at > pg_catalog.now() - pg_catalog.make_interval(secs => $1::float8)`;

/** SQL: the beginning of the time of `minutes` that a moment is in. */
function beginning(moment: string, minutes: string): string {
  return `pg_catalog.to_timestamp(pg_catalog.floor(extract(epoch FROM ${moment})::float8 / (${minutes} * 60)) * ${minutes} * 60)`;
}

/** A maximum that is less than 2 % above the average is not kept: most numbers hardly change in a minute. */
const ALIKE = 1.02;

/** SQL: the average, and the maximum, that a value of a row holds: two numbers, or one that is both. */
const AVERAGE = `CASE pg_catalog.jsonb_typeof(v.value) WHEN 'array' THEN v.value -> 0 ELSE v.value END`;
const MAXIMUM = `CASE pg_catalog.jsonb_typeof(v.value) WHEN 'array' THEN v.value -> 1 ELSE v.value END`;

/**
 * Makes the rows of step `$1` of those of the finer step `$2`: only complete ones, and each once. One statement, whatever
 * the names of the numbers are. An average has seven digits.
 */
export const ROLL_UP = `
  INSERT INTO pgkeep.sample (step, at, vitals)
  SELECT $1::int2, x.at, pg_catalog.jsonb_object_agg(x.key, CASE WHEN x.maximum <= x.average * ${ALIKE} THEN pg_catalog.to_jsonb(x.average)
                                                     ELSE pg_catalog.jsonb_build_array(x.average, x.maximum) END)
    FROM (SELECT ${beginning('s.at', '$1::int2')} AS at, v.key,
                 avg((${AVERAGE})::float8)::float4 AS average, max((${MAXIMUM})::float8) AS maximum
            FROM pgkeep.sample s CROSS JOIN LATERAL pg_catalog.jsonb_each(s.vitals) v
           WHERE s.step = $2::int2 AND s.at < ${beginning('pg_catalog.now()', '$1::int2')}
             AND s.at >= coalesce((SELECT max(c.at) + pg_catalog.make_interval(mins => $1::int2)
                                     FROM pgkeep.sample c WHERE c.step = $1::int2), '-infinity')
           GROUP BY 1, 2) x
   GROUP BY x.at
  ON CONFLICT (step, at) DO NOTHING`;

/** Deletes the rows of step `$1` that are older than `$2` hours. */
export const DELETE_OLD = `
  DELETE FROM pgkeep.sample WHERE step = $1::int2 AND at < pg_catalog.now() - pg_catalog.make_interval(hours => $2::int4)`;

/**
 * Reads the numbers `$1` in points of `$2` minutes, of the last `$3` hours, from rows of step `$4`, and from finer ones
 * where those of that step are not made yet. A longer time counts for more.
 */
export const READ_SERIES = `
  WITH made AS MATERIALIZED (
    SELECT coalesce(max(s.at + pg_catalog.make_interval(mins => 15)) FILTER (WHERE s.step = 15 AND $4::int2 >= 15), '-infinity') AS quarters,
           coalesce(max(s.at + pg_catalog.make_interval(mins => 360)) FILTER (WHERE s.step = 360 AND $4::int2 >= 360), '-infinity') AS six_hours
      FROM pgkeep.sample s WHERE s.step <= $4::int2)
  SELECT extract(epoch FROM ${beginning('s.at', '$2::int4')})::float8 AS at, v.key AS name,
         sum((${AVERAGE})::float8 * s.step) / sum(s.step) AS average, max((${MAXIMUM})::float8) AS max
    FROM pgkeep.sample s CROSS JOIN made
    CROSS JOIN LATERAL pg_catalog.unnest($1::text[]) k (name)
    CROSS JOIN LATERAL (SELECT k.name AS key, s.vitals -> k.name AS value) v
   WHERE s.step <= $4::int2 AND s.at > pg_catalog.now() - pg_catalog.make_interval(hours => $3::int4) AND v.value IS NOT NULL
     AND s.at >= CASE s.step WHEN 1 THEN greatest(made.quarters, made.six_hours)
                             WHEN 15 THEN made.six_hours ELSE '-infinity' END
   GROUP BY 1, 2`;

/** Returns values as they are stored: `[average, maximum]`, or one number where both are nearly the same. Pure. */
export function storedValues(values: SummarizedValues): Record<string, number | readonly [number, number]> {
  return Object.fromEntries(
    Object.entries(values).map(([name, { average, max }]) => [
      name,
      max <= average * ALIKE ? rounded(average) : ([rounded(average), rounded(max)] as const),
    ]),
  );
}

/** Returns a number with six digits: more than any chart shows. */
function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
