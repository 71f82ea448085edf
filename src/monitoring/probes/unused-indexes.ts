import { formatBytes } from '../../core/text.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { defineProbe } from '../probe.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row extends ObjectName {
  readonly table: string;
  readonly bytes: number;
  readonly days: number;
}

const CODES = {
  INDEX_UNUSED: {
    meaning:
      'An index of more than 10 MB was not used in 30 days, by pgkeep’s own daily record. It is not unique and backs no constraint, and there is no replica that could use it.',
    remedy: 'Drop the index, unless a report that runs seldom needs it.',
  },
} as const;

const DAYS = 30;
const LARGE_BYTES = 10 * 1024 ** 2;

/** Finds large indexes that no query uses. By a record of 30 days, because the server's counters end with a crash. */
export const unusedIndexes = defineProbe<Row, keyof typeof CODES>({
  name: 'unused-indexes',
  tier: 'hour',
  cost: '1 ms; 10 ms with 10,000 tables',
  needs: 'SELECT on `pgkeep.index_scans`',
  codes: CODES,
  sql: ({ hasRecords, inRecovery }) =>
    inRecovery || !hasRecords
      ? undefined
      : `
    SELECT n.nspname AS schema, c.relname AS name, t.relname AS table, x.days,
           c.relpages::float8 * pg_catalog.current_setting('block_size')::int AS bytes
      FROM (SELECT s.name, max(s.day) - min(s.day) AS days, max(s.scans) AS scans FROM pgkeep.index_scans s
             GROUP BY 1 HAVING max(s.day) - min(s.day) >= ${DAYS} AND max(s.scans) = min(s.scans)) x
      JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(x.name)
      JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
      JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE ${IS_OF_APPLICATION} AND NOT i.indisunique AND i.indisvalid AND x.scans = pg_catalog.pg_stat_get_numscans(c.oid)
       AND c.relpages::float8 * pg_catalog.current_setting('block_size')::int > ${LARGE_BYTES}
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = c.oid)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_replication)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots r WHERE r.slot_type = 'physical')
     ORDER BY c.relpages DESC, 1, 2 LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const index = nameOf(row);
      return {
        code: 'INDEX_UNUSED',
        severity: 'info',
        subject: index,
        text: `${index} of ${nameOf({ schema: row.schema, name: row.table })} has ${formatBytes(row.bytes)} and was not used in ${row.days} days`,
        sql: `DROP INDEX CONCURRENTLY ${index};`,
      };
    }),
  }),
});
