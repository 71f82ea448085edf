import { formatCount } from '../../core/text.js';
import { defineProbe } from '../probe.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row {
  readonly age: number;
  readonly oldest: readonly ObjectName[];
}

const CODES = {
  WRAPAROUND_NEAR: {
    meaning:
      'Half of the transaction numbers are used up since the oldest row was frozen; critical at three quarters. At the end the server refuses every write.',
    remedy:
      'End what prevents VACUUM: old transactions, replication slots, prepared transactions. Then freeze the oldest tables.',
  },
} as const;

const LIMIT = 2 ** 31;
const WARNING = 0.5;
const CRITICAL = 0.75;

/** Finds a database that runs out of transaction numbers. Not by autovacuum_freeze_max_age, which a healthy one reaches. */
export const wraparound = defineProbe<Row, keyof typeof CODES>({
  name: 'wraparound',
  tier: 'sample',
  cost: '0.3 ms; 20 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    SELECT (SELECT max(greatest(pg_catalog.age(d.datfrozenxid), pg_catalog.mxid_age(d.datminmxid)))::float8
              FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AS age,
           (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
              SELECT n.nspname AS schema, c.relname AS name
                FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'm') AND c.relfrozenxid::text <> '0'
               ORDER BY pg_catalog.age(c.relfrozenxid) DESC, c.oid LIMIT 3) x) AS oldest`,
  judge: ([row]) => {
    if (!row) return {};
    const share = row.age / LIMIT;
    const finding = {
      code: 'WRAPAROUND_NEAR',
      severity: share > CRITICAL ? 'critical' : 'warning',
      text: `The oldest row is ${formatCount(row.age)} transactions old, ${Math.round(share * 100)} % of what the server can distinguish`,
      sql: row.oldest.map((table) => `VACUUM (FREEZE, VERBOSE) ${nameOf(table)};`).join('\n'),
    } as const;
    return { vitals: { transactionIdAge: row.age }, findings: share > WARNING ? [finding] : [] };
  },
});
