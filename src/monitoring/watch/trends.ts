import { counted } from '../../core/text.js';
import type { CodeText } from '../../readiness/check.js';
import type { Counters, MonitoringFinding, MonitoringReport } from '../monitoring.types.js';
import type { Tier } from '../probe.js';
import type { TierPace } from './tier-pace.js';

/** What only several samples show, so only the background finds it. */
export const TREND_CODES = {
  QUERIES_FAIL: {
    meaning:
      'For five minutes more than 10 % of the transactions, and more than one a second, were rolled back; or there was a deadlock, or a session that was killed, in these minutes. In the background only.',
    remedy: 'The server’s log has the statements and their errors.',
  },
  PERFORMANCE_DEGRADED: {
    meaning:
      'For a quarter of an hour statements took more than three times as long as usual at this time, and more than 5 ms, with more than one a second. Needs three days of history and pg_stat_statements. In the background only.',
    remedy:
      'Compare the statements that take most of the time with those of before. Look for a new release, a lost index, outdated statistics.',
  },
  STATISTICS_UNAVAILABLE: {
    meaning:
      'Probes gave no answer: they failed, or took too long. Up to PostgreSQL 14 the statistics collector may have died.',
    remedy:
      'See why under `unseen`. If it is a time-out of each probe that reads statistics, restart the server.',
  },
  MONITOR_SLOW: {
    meaning:
      'The probes take so long that they rest ten times as long as they should. In the background only.',
    remedy:
      'Look at the server’s load. Set DB_MONITORING_INTERVAL_SECONDS higher if the database is that large.',
  },
} as const satisfies Record<string, CodeText>;

/** How far back failing transactions are judged, in ms. */
const WINDOW_MS = 300_000;
const FAILING_SHARE = 0.1;
const FAILING_PER_SECOND = 1;
/** What counts as slow: so many times the usual, and at least so many ms. */
const SLOWER = 3;
const SLOW_MS = 5;
/** From which stretch of its period on a tier is slow. */
const STRETCH = 10;

/** What one sample adds to the judgement of failures. */
interface Counted {
  readonly atMs: number;
  readonly counters: Counters;
}

/** Judges whether queries fail, by the counters of the last five minutes. */
export class FailureTrend {
  private readonly window: Counted[] = [];

  /** Adds a sample, and returns what needs attention. A counter that went down was reset, and begins a new window. */
  add({ counters }: Pick<MonitoringReport, 'counters'>, nowMs: number): MonitoringFinding[] {
    const latest = this.window.at(-1);
    if (latest && (counters.commits ?? 0) < (latest.counters.commits ?? 0)) this.window.length = 0;
    this.window.push({ atMs: nowMs, counters });
    while (this.window.length > 2 && (this.window[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS)
      this.window.shift();
    const [first] = this.window;
    if (!first || first.atMs === nowMs) return [];
    return [...this.rolledBack(first, { atMs: nowMs, counters }), ...this.killed(first.counters, counters)];
  }

  private rolledBack(first: Counted, last: Counted): MonitoringFinding[] {
    const seconds = (last.atMs - first.atMs) / 1000;
    const rollbacks = increase('rollbacks', first.counters, last.counters);
    const share = rollbacks / Math.max(1, rollbacks + increase('commits', first.counters, last.counters));
    if (
      seconds * 1000 < WINDOW_MS * 0.9 ||
      share <= FAILING_SHARE ||
      rollbacks / seconds <= FAILING_PER_SECOND
    )
      return [];
    const text = `${Math.round(share * 100)} % of the transactions are rolled back, ${(rollbacks / seconds).toFixed(1)} a second`;
    return [failing('rollbacks', text)];
  }

  private killed(first: Counters, last: Counters): MonitoringFinding[] {
    const deadlocks = increase('deadlocks', first, last);
    const killed = increase('sessionsKilled', first, last);
    return [
      ...(deadlocks > 0
        ? [failing('deadlocks', `${counted(deadlocks, 'deadlock')} in the last minutes`)]
        : []),
      ...(killed > 0
        ? [
            failing(
              'killed sessions',
              `${counted(killed, 'session was', 'sessions were')} killed in the last minutes`,
            ),
          ]
        : []),
    ];
  }
}

function increase(name: keyof Counters, first: Counters, last: Counters): number {
  return Math.max(0, (last[name] ?? 0) - (first[name] ?? 0));
}

function failing(subject: string, text: string): MonitoringFinding {
  return finding('QUERIES_FAIL', 'warning', subject, text);
}

/** How statements perform now, and how they usually do at this time. */
export interface Performance {
  readonly meanMs: number;
  readonly callsPerSecond: number;
  readonly usualMs: number;
}

/** Returns whether statements take much longer than usual. Pure. */
export function performanceFindings(performance: Performance | undefined): MonitoringFinding[] {
  if (!performance) return [];
  const { meanMs, callsPerSecond, usualMs } = performance;
  if (meanMs <= SLOWER * usualMs || meanMs <= SLOW_MS || callsPerSecond <= 1) return [];
  const text = `Statements take ${meanMs.toFixed(1)} ms on average, usually ${usualMs.toFixed(1)} ms at this time`;
  return [finding('PERFORMANCE_DEGRADED', 'warning', '', text)];
}

/** Returns what the report could not see. Pure. */
export function unseenFindings(unseen: MonitoringReport['unseen']): MonitoringFinding[] {
  const [first] = unseen;
  if (!first) return [];
  const text = `${counted(unseen.length, 'probe')} gave no answer, such as ${first.probe}: ${first.reason}`;
  return [finding('STATISTICS_UNAVAILABLE', 'info', '', text)];
}

const SHOWN_TIERS: Readonly<Record<Tier, string>> = {
  sample: 'of every sample',
  minute: 'of every minute',
  hour: 'of every hour',
};

/** Returns which probes take so long that they come seldom. */
export function slowFindings(pace: TierPace): MonitoringFinding[] {
  return (['sample', 'minute', 'hour'] as const)
    .map((tier) => ({ tier, stretch: pace.stretch(tier) }))
    .filter(({ stretch }) => stretch > STRETCH)
    .map(({ tier, stretch }) =>
      finding(
        'MONITOR_SLOW',
        'info',
        tier,
        `The probes ${SHOWN_TIERS[tier]} rest ${Math.round(stretch)} times as long as they should, because they take long`,
      ),
    );
}

function finding(
  code: keyof typeof TREND_CODES,
  severity: MonitoringFinding['severity'],
  subject: string,
  text: string,
): MonitoringFinding {
  return { code, severity, subject, text, remedy: TREND_CODES[code].remedy, sql: null };
}
