import type { MonitoringReport, Vitals } from '../monitoring.types.js';

/** Numbers of a report that are kept beside its {@link Vitals}. */
interface Kept {
  /** 1 while the database answers. */
  readonly up: number;
  readonly connections: number | null;
  readonly active: number | null;
  readonly idle: number | null;
  readonly idleInTransaction: number | null;
  /** Waiting for a lock. */
  readonly waiting: number | null;
  /** Findings that need attention. */
  readonly findings: number;
  /** How long the statements of monitoring took. */
  readonly probeMs: number;
}

/** The name of a number that the history holds. */
export type HistoryVital = Exclude<keyof Vitals, 'deadlocks'> | keyof Kept;

/** Every name, in the order of the documentation. */
export const HISTORY_VITALS = [
  'up',
  'connectMs',
  'roundTripMs',
  'probeMs',
  'connections',
  'active',
  'idle',
  'idleInTransaction',
  'waiting',
  'oldestTransactionSeconds',
  'longestStatementSeconds',
  'transactionsPerSecond',
  'rollbacksPerSecond',
  'deadlocksPerSecond',
  'statementsPerSecond',
  'meanStatementMs',
  'cacheHit',
  'writesPerSecond',
  'tempBytesPerSecond',
  'walBytesPerSecond',
  'sizeBytes',
  'replicaLagSeconds',
  'slotBytes',
  'transactionIdAge',
  'idsUsed',
  'findings',
] as const satisfies readonly HistoryVital[];

/** The numbers of one sample; what was not measured is missing. */
export type HistoryValues = Readonly<Partial<Record<HistoryVital, number>>>;

/** Returns what the history keeps of a report. Pure. */
export function historyValues(report: MonitoringReport, probeMs: number): HistoryValues {
  const { vitals, sessions, findings } = report;
  const kept: Kept = {
    up: 1,
    connections: sessions?.total ?? null,
    active: sessions?.active ?? null,
    idle: sessions?.idle ?? null,
    idleInTransaction: sessions?.idleInTransaction ?? null,
    waiting: sessions?.waiting ?? null,
    findings: findings.filter(({ severity }) => severity !== 'info').length,
    probeMs,
  };
  const all = { ...vitals, ...kept };
  return Object.fromEntries(
    HISTORY_VITALS.flatMap((name) => {
      const value = all[name];
      return value === null || !Number.isFinite(value) ? [] : [[name, value]];
    }),
  );
}

/** The average and the maximum of a number. */
export interface AverageAndMax {
  readonly average: number;
  readonly max: number;
}

/** Numbers of a longer time: of each its average and its maximum. */
export type SummarizedValues = Readonly<Record<string, AverageAndMax>>;

/** Returns the average and the maximum of each number. Pure. */
export function summarize(samples: readonly HistoryValues[]): SummarizedValues {
  const summaries = HISTORY_VITALS.flatMap((name): [string, AverageAndMax][] => {
    const values = samples.flatMap(({ [name]: value }) => (value === undefined ? [] : [value]));
    if (values.length === 0) return [];
    const average = values.reduce((sum, value) => sum + value, 0) / values.length;
    return [[name, { average, max: Math.max(...values) }]];
  });
  return Object.fromEntries(summaries);
}
