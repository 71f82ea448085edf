import type { MonitorSample } from '../monitoring/watch/monitor-sample.js';
import type { Counters, Vitals } from '../monitoring/monitoring.types.js';
import { byLabel, byLabels, type Metric, single } from './metric.js';

/** What monitoring has sampled. */
export const MONITORING_METRICS: readonly Metric[] = [
  single(
    {
      name: 'pgkeep_monitor_leader',
      type: 'gauge',
      help: '1 if this replica samples the database; the others report what it has sampled.',
    },
    ({ sample }) => sample && sample.role === 'leader',
  ),
  single(
    {
      name: 'pgkeep_monitor_sample_timestamp_seconds',
      type: 'gauge',
      help: 'When the database was sampled last.',
    },
    ({ sample }) => sample?.report && new Date(sample.report.sampledAt),
  ),
  byLabel(
    {
      name: 'pgkeep_forecast_timestamp_seconds',
      type: 'gauge',
      help: 'When something breaks if nothing changes, by kind; the earliest of each. Missing while that is not in sight.',
      label: 'what',
    },
    ({ sample }) => {
      const earliest = new Map<string, Date>();
      for (const { what, breaksAt } of sample?.report?.forecasts ?? []) {
        if (breaksAt === null) continue;
        const [at, known] = [new Date(breaksAt), earliest.get(what)];
        if (!known || at < known) earliest.set(what, at);
      }
      return [...earliest];
    },
  ),
  byLabels({
    name: 'pgkeep_findings',
    type: 'gauge',
    help: 'What needs attention now, by code and severity.',
    labels: ['code', 'severity'],
    read: ({ sample }) => {
      const counts = new Map<string, { code: string; severity: string; value: number }>();
      for (const { code, severity } of sample?.findings ?? []) {
        const key = `${code} ${severity}`;
        const { value } = counts.get(key) ?? { value: 0 };
        counts.set(key, { code, severity, value: value + 1 });
      }
      return [...counts.values()].map(({ value, ...labels }) => ({ labels, value }));
    },
  }),
  single(
    {
      name: 'pgkeep_monitor_probes_unseen',
      type: 'gauge',
      help: 'Probes that gave no answer in the last sample: a right is missing, or they took too long.',
    },
    ({ sample }) => sample?.report?.unseen.length,
  ),
  vital('pgkeep_connect_duration_seconds', 'How long the last new connection took.', {
    of: ({ connectMs }) => connectMs,
    unit: 0.001,
  }),
  vital('pgkeep_round_trip_duration_seconds', 'How long the database took for SELECT 1.', {
    of: ({ roundTripMs }) => roundTripMs,
    unit: 0.001,
  }),
  byLabel(
    {
      name: 'pgkeep_connections',
      type: 'gauge',
      help: 'Client connections of the server by what they do.',
      label: 'state',
    },
    ({ sample }) => {
      const sessions = sample?.report?.sessions;
      if (!sessions) return [];
      const { total, active, idle, idleInTransaction } = sessions;
      return [
        ['active', active],
        ['idle', idle],
        ['idle_in_transaction', idleInTransaction],
        // Those whose state this role may not see, and the connection that samples.
        ['other', Math.max(0, total - active - idle - idleInTransaction)],
      ];
    },
  ),
  single(
    {
      name: 'pgkeep_connections_limit',
      type: 'gauge',
      help: 'How many connections ordinary roles can have.',
    },
    ({ sample }) => sample?.report?.sessions?.limit,
  ),
  single(
    {
      name: 'pgkeep_sessions_waiting_for_lock',
      type: 'gauge',
      help: 'Sessions that wait for a lock.',
    },
    ({ sample }) => sample?.report?.sessions?.waiting,
  ),
  vital('pgkeep_oldest_transaction_seconds', 'The age of the oldest open transaction.', {
    of: ({ oldestTransactionSeconds }) => oldestTransactionSeconds,
  }),
  vital('pgkeep_longest_statement_seconds', 'How long the longest statement has run that runs now.', {
    of: ({ longestStatementSeconds }) => longestStatementSeconds,
  }),
  counters({
    name: 'pgkeep_transactions_total',
    help: 'Transactions of the database by how they ended.',
    label: 'end',
    of: { commit: 'commits', rollback: 'rollbacks' },
  }),
  counters({
    name: 'pgkeep_blocks_total',
    help: 'Blocks that statements needed, by where they were found: in shared buffers, or on disk.',
    label: 'from',
    of: { memory: 'blocksHit', disk: 'blocksRead' },
  }),
  counters({
    name: 'pgkeep_sessions_ended_total',
    help: 'Sessions that ended by a fatal error, or were killed; PostgreSQL 14 and later.',
    label: 'by',
    of: { fatal_error: 'sessionsFatal', operator: 'sessionsKilled' },
  }),
  counter('pgkeep_temp_bytes_total', 'Bytes that statements wrote to temporary files.', 'tempBytes'),
  counter('pgkeep_deadlocks_total', 'Deadlocks.', 'deadlocks'),
  counter('pgkeep_checksum_failures_total', 'Pages that failed their checksum.', 'checksumFailures'),
  counter('pgkeep_wal_archive_failures_total', 'WAL files that could not be archived.', 'archiveFailures'),
  byLabel(
    {
      name: 'pgkeep_replication_slot_retained_bytes',
      type: 'gauge',
      help: 'The WAL that a replication slot keeps; of the ten that keep the most.',
      label: 'slot',
    },
    ({ sample }) =>
      largest((sample?.report?.replication?.slots ?? []).map(({ name, bytes }) => [name, bytes])),
  ),
  byLabel(
    {
      name: 'pgkeep_replica_lag_seconds',
      type: 'gauge',
      help: 'How far a replica is behind, by the name of its application; of the ten that are the furthest behind.',
      label: 'replica',
    },
    ({ sample }) =>
      largest(
        (sample?.report?.replication?.replicas ?? []).map(({ name, bytes, seconds }) => [
          name,
          bytes === 0 ? 0 : seconds,
        ]),
      ),
  ),
  // Not counters: entries of pg_stat_statements are evicted, after which a sum over them would look like a reset.
  vital('pgkeep_statements_per_second', 'Statements a second, if pg_stat_statements is installed.', {
    of: ({ statementsPerSecond }) => statementsPerSecond,
  }),
  vital('pgkeep_statement_mean_duration_seconds', 'How long a statement took on average.', {
    of: ({ meanStatementMs }) => meanStatementMs,
    unit: 0.001,
  }),
  vital('pgkeep_writes_per_second', 'Rows that were inserted, updated or deleted, a second.', {
    of: ({ writesPerSecond }) => writesPerSecond,
  }),
  vital('pgkeep_wal_bytes_per_second', 'Bytes of WAL that were written, a second.', {
    of: ({ walBytesPerSecond }) => walBytesPerSecond,
  }),
  vital('pgkeep_database_size_bytes', 'The size of the database.', { of: ({ sizeBytes }) => sizeBytes }),
  single(
    {
      name: 'pgkeep_storage_limit_bytes',
      type: 'gauge',
      help: 'DB_STORAGE_LIMIT, or the size of the disk if it can be seen.',
    },
    ({ sample }) => sample?.report?.storage.limitBytes,
  ),
  single(
    {
      name: 'pgkeep_storage_used_ratio',
      type: 'gauge',
      help: 'How much of that is used, from 0 to 1; on a disk, by other files too.',
    },
    ({ sample }) => sample?.report?.storage.usedShare,
  ),
  vital('pgkeep_ids_used_ratio', 'How much of its numbers the fullest integer key has used, from 0 to 1.', {
    of: ({ idsUsed }) => idsUsed,
  }),
  vital('pgkeep_transaction_id_age', 'Transactions since the oldest row was frozen; 2^31 stop the server.', {
    of: ({ transactionIdAge }) => transactionIdAge,
  }),
];

/** Declares the metric of one measured value. @param unit what the value is multiplied by. Defaults to 1 */
function vital(
  name: Metric['name'],
  help: string,
  { of, unit = 1 }: { of: (vitals: Vitals) => number | null; unit?: number },
): Metric {
  return single({ name, type: 'gauge', help }, ({ sample }: { sample: MonitorSample | undefined }) => {
    const value = sample?.report && of(sample.report.vitals);
    return typeof value === 'number' ? value * unit : undefined;
  });
}

/** Declares the metric of one counter of the server. */
function counter(name: Metric['name'], help: string, of: keyof Counters): Metric {
  return single({ name, type: 'counter', help }, ({ sample }) => sample?.report?.counters[of]);
}

/** Declares a metric of several counters. @param of the counter of each value of the label */
function counters({
  of,
  ...described
}: Pick<Metric, 'name' | 'help'> & {
  readonly label: string;
  readonly of: Readonly<Record<string, keyof Counters>>;
}): Metric {
  return byLabel({ ...described, type: 'counter' }, ({ sample }) =>
    Object.entries(of).map(([which, name]) => [which, sample?.report?.counters[name]]),
  );
}

/** So many replicas and slots are reported: a server can have hundreds. */
const MOST = 10;

/** Returns the largest values. Of several with the same name, as replicas have that were given none, the largest counts. */
function largest(
  values: readonly (readonly [name: string, value: number | null])[],
): readonly (readonly [name: string, value: number])[] {
  const byName = new Map<string, number>();
  for (const [name, value] of values)
    if (value !== null) byName.set(name, Math.max(value, byName.get(name) ?? 0));
  return [...byName].toSorted(([, one], [, other]) => other - one).slice(0, MOST);
}
