import type { Forecast } from '../monitoring/forecast.js';
import type { MonitoringReport } from '../monitoring/monitoring.types.js';
import type { DatabaseDown } from '../monitoring/watch/monitor-sample.js';
import type { MonitoringState, UpcomingItem } from './overview.types.js';

/** A report that is older than so many intervals is stale. */
const STALE_INTERVALS = 3;

/** Returns what will break, the next first; what has no date comes last. Pure. */
export function upcomingOf(forecasts: readonly Forecast[]): UpcomingItem[] {
  const timeOf = ({ breaksAt }: Forecast): number => (breaksAt === null ? Infinity : Date.parse(breaksAt));
  return forecasts
    .toSorted((left, right) => (timeOf(left) === timeOf(right) ? 0 : timeOf(left) - timeOf(right)))
    .map(({ what, subject, text, breaksAt }) => ({ what, subject, text, breaksAt }));
}

/** Returns what the probes saw last, and whether that is old. Pure. */
export function monitoringOf({
  now,
  intervalMs,
  report,
  down,
}: {
  readonly now: Date;
  readonly intervalMs: number;
  readonly report: MonitoringReport | undefined;
  readonly down: DatabaseDown | undefined;
}): MonitoringState {
  const ageMs = report ? now.getTime() - Date.parse(report.sampledAt) : 0;
  return {
    report: report ?? null,
    down: down ? { since: down.since.toISOString(), text: down.text } : null,
    isStale: ageMs > STALE_INTERVALS * intervalMs,
  };
}
