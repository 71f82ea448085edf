import { counted } from '../../core/text.js';
import type { Counters, Vitals } from '../monitoring.types.js';
import { defineProbe, perSecond, type ProbeContext } from '../probe.js';

interface Row {
  /** When the counters were set to 0, as text; null if never. */
  readonly reset_at: string | null;
  readonly commits: number;
  readonly rollbacks: number;
  readonly blocks_read: number;
  readonly blocks_hit: number;
  readonly temp_bytes: number;
  readonly rows_written: number;
  readonly deadlocks: number;
  readonly checksum_failures: number;
  /** Sessions that ended because of a fatal error, or were killed; null before PostgreSQL 14. */
  readonly sessions_fatal: number | null;
  readonly sessions_killed: number | null;
}

const CODES = {
  DATA_CORRUPT: {
    meaning: 'Pages of the database failed their checksum.',
    remedy: 'Stop writing. Restore a proven backup, and do not overwrite the good ones with new ones.',
  },
} as const;

/** `sessions_…` came with this version. */
const FIRST_WITH_SESSIONS = 140_000;

/** Reads the counters of the database: transactions, deadlocks, blocks, checksum failures. */
export const transactions = defineProbe<Row, keyof typeof CODES>({
  name: 'transactions',
  tier: 'sample',
  cost: '0.2 ms',
  codes: CODES,
  hasRates: true,
  sql: ({ versionNumber }) => `
    SELECT d.stats_reset::text AS reset_at, d.xact_commit::float8 AS commits, d.xact_rollback::float8 AS rollbacks,
           d.blks_read::float8 AS blocks_read, d.blks_hit::float8 AS blocks_hit, d.temp_bytes::float8 AS temp_bytes,
           (d.tup_inserted + d.tup_updated + d.tup_deleted)::float8 AS rows_written, d.deadlocks::float8 AS deadlocks,
           coalesce(d.checksum_failures, 0)::float8 AS checksum_failures,
           ${versionNumber < FIRST_WITH_SESSIONS ? 'NULL' : 'd.sessions_fatal'}::float8 AS sessions_fatal,
           ${versionNumber < FIRST_WITH_SESSIONS ? 'NULL' : 'd.sessions_killed'}::float8 AS sessions_killed
      FROM pg_catalog.pg_stat_database d WHERE d.datname = pg_catalog.current_database()`,
  judge: ([row], context) => {
    if (!row) return {};
    const failures = row.checksum_failures;
    return {
      counters: countersOf(row),
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

function countersOf(row: Row): Partial<Counters> {
  return {
    commits: row.commits,
    rollbacks: row.rollbacks,
    blocksRead: row.blocks_read,
    blocksHit: row.blocks_hit,
    tempBytes: row.temp_bytes,
    deadlocks: row.deadlocks,
    checksumFailures: row.checksum_failures,
    sessionsFatal: row.sessions_fatal,
    sessionsKilled: row.sessions_killed,
  };
}

/** Returns rates since the sample before; none if the counters were reset, or one of them went down. */
function ratesOf(now: Row, { before, elapsedSeconds }: ProbeContext<Row>): Partial<Vitals> {
  const [then] = before ?? [];
  if (!then || then.reset_at !== now.reset_at) return {};
  const rate = (value: number, earlier: number): number | null => perSecond(value, earlier, elapsedSeconds);
  const hits = rate(now.blocks_hit, then.blocks_hit);
  const reads = rate(now.blocks_read, then.blocks_read);
  return {
    transactionsPerSecond: rate(now.commits + now.rollbacks, then.commits + then.rollbacks),
    rollbacksPerSecond: rate(now.rollbacks, then.rollbacks),
    deadlocksPerSecond: rate(now.deadlocks, then.deadlocks),
    writesPerSecond: rate(now.rows_written, then.rows_written),
    tempBytesPerSecond: rate(now.temp_bytes, then.temp_bytes),
    cacheHit: hits === null || reads === null || hits + reads === 0 ? null : hits / (hits + reads),
  };
}
