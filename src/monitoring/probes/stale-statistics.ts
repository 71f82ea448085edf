import { formatCount } from '../../core/text.js';
import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row extends ObjectName {
  readonly live: number;
  readonly changed: number;
  readonly was_analyzed: boolean;
}

const CODES = {
  STATISTICS_STALE: {
    meaning:
      'More than 10,000 rows and 20 % of a table changed since its last ANALYZE, or a table of more than 10,000 rows was never analyzed. Plans may be bad.',
    remedy: 'ANALYZE the table.',
  },
} as const;

/** Finds tables whose planner statistics are outdated. */
export const staleStatistics = defineProbe<Row, keyof typeof CODES>({
  name: 'stale-statistics',
  tier: 'minute',
  cost: '1 ms; 30 ms with 10,000 tables',
  codes: CODES,
  sql: ({ inRecovery }) =>
    // A replica keeps no statistics of what changed.
    inRecovery
      ? undefined
      : `
    SELECT t.* FROM (
      SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_stat_get_mod_since_analyze(c.oid)::float8 AS changed,
             pg_catalog.pg_stat_get_live_tuples(c.oid)::float8 AS live,
             pg_catalog.pg_stat_get_last_analyze_time(c.oid) IS NOT NULL
               OR pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid) IS NOT NULL OR c.reltuples > 0 AS was_analyzed
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND ${IS_OF_APPLICATION}) t
     WHERE (t.changed > 10000 AND t.changed > 0.2 * t.live) OR (NOT t.was_analyzed AND t.live > 10000)
     ORDER BY t.changed DESC LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const table = nameOf(row);
      return {
        code: 'STATISTICS_STALE',
        severity: 'info',
        subject: table,
        text: row.was_analyzed
          ? `${formatCount(row.changed)} rows of ${table} changed since its last ANALYZE`
          : `${table} was never analyzed`,
        sql: `ANALYZE ${table};`,
      };
    }),
  }),
});
