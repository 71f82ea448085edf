import { counted } from '../../core/text.js';
import type { Vitals } from '../monitoring.types.js';
import { defineProbe, type ProbeContext } from '../probe.js';

interface Row {
  readonly commits: number;
  readonly rollbacks: number;
  readonly blocks_read: number;
  readonly blocks_hit: number;
  readonly deadlocks: number;
  readonly checksum_failures: number;
}

const CODES = {
  DATA_CORRUPT: {
    meaning: 'Pages of the database failed their checksum.',
    remedy: 'Stop writing. Restore a proven backup, and do not overwrite the good ones with new ones.',
  },
} as const;

/** Reads the counters of the database: transactions, deadlocks, blocks, checksum failures. */
export const transactions = defineProbe<Row, keyof typeof CODES>({
  name: 'transactions',
  tier: 'sample',
  cost: '0.2 ms',
  codes: CODES,
  hasRates: true,
  sql: () => `
    SELECT d.xact_commit::float8 AS commits, d.xact_rollback::float8 AS rollbacks, d.blks_read::float8 AS blocks_read,
           d.blks_hit::float8 AS blocks_hit, d.deadlocks::float8 AS deadlocks,
           coalesce(d.checksum_failures, 0)::float8 AS checksum_failures
      FROM pg_catalog.pg_stat_database d WHERE d.datname = pg_catalog.current_database()`,
  judge: ([row], context) => {
    if (!row) return {};
    const failures = row.checksum_failures;
    return {
      vitals: { deadlocks: row.deadlocks, ...ratesOf(row, context) },
      findings:
        failures > 0
          ? [
              {
                code: 'DATA_CORRUPT',
                severity: 'critical',
                text: `${counted(failures, 'page')} failed the checksum`,
              },
            ]
          : [],
    };
  },
});

/** Returns rates since the sample before; none if a counter went down, because the statistics were reset. */
function ratesOf(now: Row, { before, elapsedSeconds }: ProbeContext<Row>): Partial<Vitals> {
  const [then] = before ?? [];
  if (!then || elapsedSeconds <= 0 || now.commits < then.commits || now.blocks_read < then.blocks_read)
    return {};
  const rollbacks = now.rollbacks - then.rollbacks;
  const hits = now.blocks_hit - then.blocks_hit;
  const blocks = hits + now.blocks_read - then.blocks_read;
  return {
    transactionsPerSecond: (now.commits - then.commits + rollbacks) / elapsedSeconds,
    rollbacksPerSecond: rollbacks / elapsedSeconds,
    cacheHit: blocks > 0 ? hits / blocks : null,
  };
}
