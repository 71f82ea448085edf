import { formatCount } from '../../core/text.js';
import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row extends ObjectName {
  readonly live: number;
  readonly dead: number;
  readonly autovacuum_off: boolean;
}

const CODES = {
  TABLE_BLOATED: {
    meaning: 'A table has more than 10,000 dead rows, and more than 20 % of its rows are dead.',
    remedy:
      'Find what keeps VACUUM from removing them: an open transaction, a replication slot, a prepared transaction, a replica’s feedback.',
  },
} as const;

/** Finds tables full of dead rows, by the statistics. */
export const deadRows = defineProbe<Row, keyof typeof CODES>({
  name: 'dead-rows',
  tier: 'minute',
  cost: '1 ms; 27 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    SELECT t.* FROM (
      SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_stat_get_dead_tuples(c.oid)::float8 AS dead,
             greatest(pg_catalog.pg_stat_get_live_tuples(c.oid), c.reltuples, 0)::float8 AS live,
             coalesce('autovacuum_enabled=false' = ANY (c.reloptions), false) AS autovacuum_off
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND ${IS_OF_APPLICATION}) t
     WHERE t.dead > 10000 AND t.dead > 0.2 * (t.live + t.dead)
     ORDER BY t.dead DESC LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const table = nameOf(row);
      return {
        code: 'TABLE_BLOATED',
        severity: 'warning',
        subject: table,
        text: `${table} has ${formatCount(row.dead)} dead rows beside ${formatCount(row.live)} live ones${row.autovacuum_off ? '; autovacuum is off for it' : ''}`,
        ...(row.autovacuum_off && { remedy: 'Switch autovacuum on for the table again, and vacuum it.' }),
        sql: `${row.autovacuum_off ? `ALTER TABLE ${table} RESET (autovacuum_enabled);\n` : ''}VACUUM (VERBOSE, ANALYZE) ${table};`,
      };
    }),
  }),
});
