import type { MonitorSample } from '../monitoring/watch/monitor-sample.js';
import type { Vitals } from '../monitoring/monitoring.types.js';
import { labelled, type Metric, single } from './metric.js';

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
  labelled({
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
  labelled({
    name: 'pgkeep_connections',
    type: 'gauge',
    help: 'Client connections of the server by what they do.',
    labels: ['state'],
    read: ({ sample }) => {
      const sessions = sample?.report?.sessions;
      if (!sessions) return [];
      const { total, active, idle, idleInTransaction } = sessions;
      return [
        { labels: { state: 'active' }, value: active },
        { labels: { state: 'idle' }, value: idle },
        { labels: { state: 'idle_in_transaction' }, value: idleInTransaction },
        // What this role may not see, and the sampling connection itself.
        { labels: { state: 'other' }, value: Math.max(0, total - active - idle - idleInTransaction) },
      ];
    },
  }),
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
  // Not counters: entries of pg_stat_statements are evicted, after which a sum over them would look like a reset.
  vital('pgkeep_statements_per_second', 'Statements a second, if pg_stat_statements is installed.', {
    of: ({ statementsPerSecond }) => statementsPerSecond,
  }),
  vital('pgkeep_statement_mean_duration_seconds', 'How long a statement took on average.', {
    of: ({ meanStatementMs }) => meanStatementMs,
    unit: 0.001,
  }),
  vital('pgkeep_database_size_bytes', 'The size of the database.', { of: ({ sizeBytes }) => sizeBytes }),
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
