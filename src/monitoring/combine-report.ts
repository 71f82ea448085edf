import type { IgnoredFinding } from '../config/setting-parsers.js';
import type { Settings } from '../config/settings.js';
import { slowConnectionFindings } from './connection-codes.js';
import {
  type Counters,
  type MonitoringFinding,
  type MonitoringReport,
  SEVERITIES,
  type Vitals,
} from './monitoring.types.js';
import type { Outlook } from './forecast.service.js';
import type { Sampled } from './probe.js';
import { MONITORING_CODES } from './probes.js';
import type { ServerDescription } from './server-context.js';
import { unseenFindings } from './watch/trends.js';

/** What connecting measured. */
export type ConnectionVitals = Pick<Vitals, 'connectMs' | 'roundTripMs'>;

const UNKNOWN = {
  oldestTransactionSeconds: null,
  longestStatementSeconds: null,
  transactionsPerSecond: null,
  rollbacksPerSecond: null,
  deadlocks: null,
  deadlocksPerSecond: null,
  writesPerSecond: null,
  tempBytesPerSecond: null,
  walBytesPerSecond: null,
  replicaLagSeconds: null,
  slotBytes: null,
  cacheHit: null,
  statementsPerSecond: null,
  meanStatementMs: null,
  sizeBytes: null,
  transactionIdAge: null,
  idsUsed: null,
};

const UNCOUNTED: Counters = {
  commits: null,
  rollbacks: null,
  blocksRead: null,
  blocksHit: null,
  tempBytes: null,
  deadlocks: null,
  checksumFailures: null,
  sessionsFatal: null,
  sessionsKilled: null,
  statements: null,
  statementsMs: null,
  archiveFailures: null,
};

/** What a report is made of. */
export interface ReportParts {
  readonly at: Date;
  readonly server: Pick<ServerDescription, 'database' | 'version'>;
  readonly measured: ConnectionVitals;
  /** Of each probe the newest. */
  readonly sampled: readonly Sampled[];
  readonly outlook?: Outlook | undefined;
  /** Findings of others than probes. */
  readonly others?: readonly MonitoringFinding[];
}

/** Makes one report of what was sampled, the worst finding first, without what DB_MONITORING_IGNORE names. Pure. */
export function combineReport(
  { environment, monitoring }: Pick<Settings, 'environment' | 'monitoring'>,
  { at, server, measured, sampled, outlook, others = [] }: ReportParts,
): MonitoringReport {
  const unseen = sampled.flatMap((one) => one.unseen ?? []);
  const findings = [
    ...others,
    ...unseenFindings(unseen),
    ...(measured.connectMs === null
      ? []
      : slowConnectionFindings(measured.connectMs, monitoring.connectionTimeMs)),
    ...sampled.flatMap((one) => one.findings),
    ...(outlook?.findings ?? []),
  ];
  return {
    database: server.database,
    environment,
    version: server.version,
    sampledAt: at.toISOString(),
    vitals: Object.assign({ ...measured, ...UNKNOWN }, ...sampled.map(({ vitals }) => vitals)),
    counters: Object.assign({ ...UNCOUNTED }, ...sampled.map(({ counters }) => counters)),
    replication: sampled.find(({ replication }) => replication)?.replication ?? null,
    sessions: sampled.find(({ sessions }) => sessions)?.sessions ?? null,
    applications: sampled.flatMap(({ applications }) => applications ?? []),
    statements: sampled.flatMap(({ statements }) => statements ?? []),
    largest: sampled.flatMap(({ largest }) => largest ?? []),
    forecasts: outlook?.forecasts ?? [],
    storage: outlook?.storage ?? { limitBytes: null, usedShare: null },
    findings: worstFirst(withoutIgnored(findings, monitoring.ignored)),
    unseen,
    codes: MONITORING_CODES.length,
  };
}

/** Returns findings by severity, otherwise in their order. Pure. */
export function worstFirst(findings: readonly MonitoringFinding[]): MonitoringFinding[] {
  return SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
}

/** Returns the findings that no entry of `DB_MONITORING_IGNORE` names. Pure. */
export function withoutIgnored(
  findings: readonly MonitoringFinding[],
  ignored: readonly IgnoredFinding[],
): MonitoringFinding[] {
  return findings.filter(
    (finding) =>
      !ignored.some(
        ({ code, subject }) =>
          code === finding.code && (subject === undefined || matches(finding.subject, subject)),
      ),
  );
}

/** Returns the codes of `DB_MONITORING_IGNORE` that there are not: they hide nothing. */
export function unknownIgnored({ monitoring }: Pick<Settings, 'monitoring'>): string[] {
  return monitoring.ignored.map(({ code }) => code).filter((code) => !MONITORING_CODES.includes(code));
}

function matches(subject: string, pattern: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return subject === pattern;
  if (!subject.startsWith(first)) return false;
  let from = first.length;
  const last = rest.pop() ?? '';
  for (const part of rest) {
    const found = subject.indexOf(part, from);
    if (found === -1) return false;
    from = found + part.length;
  }
  return subject.length - last.length >= from && subject.endsWith(last);
}
