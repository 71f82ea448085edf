import { formatBytes, formatCount } from '../core/text.js';
import type { HistoryVital } from '../monitoring/history/history-vitals.js';
import type { MonitoringReport } from '../monitoring/monitoring.types.js';
import { type Chart, type ChartPoint, lineChart } from './chart.js';
import { html, NOTHING, type Html } from './html.js';
import { type Range, RANGES } from './scale.js';
import { durationText, millisecondsText } from './times.js';
import { section, table, type View } from './view.js';

/** Returns a rate or a count, short: `187`, `0.33`. */
function short(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return formatCount(Math.round(value));
  return value.toFixed(value < 1 ? 2 : 1);
}

const NOT_KNOWN = 'not known';

/** A vital with a chart. */
interface VitalChart {
  readonly vital: HistoryVital;
  readonly title: string;
  readonly format: (value: number) => string;
  readonly base?: 1000 | 1024;
  readonly now: (report: MonitoringReport) => number | null;
  readonly limit?: (report: MonitoringReport) => number | null;
  readonly note: (report: MonitoringReport) => string;
}

function longestNote({ vitals, findings }: MonitoringReport): string {
  if (findings.some(({ code }) => code === 'STATEMENTS_UNKNOWN'))
    return 'pg_stat_statements is not installed';
  const seconds = vitals.longestStatementSeconds;
  if (seconds === null) return NOT_KNOWN;
  return seconds < 1
    ? 'none runs for a second'
    : `the longest one has run for ${durationText(seconds * 1000)}`;
}

const CHARTS: readonly VitalChart[] = [
  {
    vital: 'connections',
    title: 'Connections',
    format: short,
    now: ({ sessions }) => sessions?.total ?? null,
    limit: ({ sessions }) => sessions?.limit ?? null,
    note: ({ sessions }) =>
      sessions
        ? `of ${sessions.limit}; ${sessions.active} active, ${sessions.idleInTransaction} idle in transaction, ${sessions.waiting} waiting for a lock`
        : NOT_KNOWN,
  },
  {
    vital: 'transactionsPerSecond',
    title: 'Transactions a second',
    format: short,
    now: ({ vitals }) => vitals.transactionsPerSecond,
    note: ({ vitals }) =>
      `${short(vitals.rollbacksPerSecond ?? 0)} a second rolled back; ${short(vitals.deadlocks ?? 0)} deadlocks`,
  },
  {
    vital: 'meanStatementMs',
    title: 'Mean time of a statement',
    format: millisecondsText,
    now: ({ vitals }) => vitals.meanStatementMs,
    note: longestNote,
  },
  {
    vital: 'connectMs',
    title: 'Time to connect',
    format: millisecondsText,
    now: ({ vitals }) => vitals.connectMs,
    note: ({ vitals }) =>
      [
        vitals.roundTripMs === null ? '' : `${millisecondsText(vitals.roundTripMs)} a round trip`,
        vitals.cacheHit === null ? '' : `${(vitals.cacheHit * 100).toFixed(1)} % of reads come from memory`,
      ]
        .filter(Boolean)
        .join('; '),
  },
];

const SIZE: VitalChart = {
  vital: 'sizeBytes',
  title: 'Size of the database',
  format: formatBytes,
  base: 1024,
  now: ({ vitals }) => vitals.sizeBytes,
  note: () => '',
};

/** Every vital with a chart. */
export const CHARTED = [...CHARTS, SIZE].map(({ vital }) => vital);

/** Returns the links that choose how far back the charts go. */
export function rangeLinks(chosen: Range): Html {
  return html`<nav class="ranges" aria-label="Time range">
    ${RANGES.map(({ name, text }) => html`<a href="?range=${name}" ${name === chosen.name ? html` aria-current="true"` : NOTHING} title="${text}">${name}</a>`)}
  </nav>`;
}

/** Shows how busy the database is, over time. */
export function activitySection(view: View): Html {
  const { report } = view.overview.monitoring;
  return section({
    id: 'activity',
    title: 'Activity',
    href: `activity?range=${view.range.name}`,
    isWide: true,
    summary: report?.sessions
      ? `${report.sessions.total} of ${report.sessions.limit} connections, ${short(report.vitals.transactionsPerSecond ?? 0)} transactions a second`
      : 'Not sampled yet',
    aside: rangeLinks(view.range),
    body: charts(view),
  });
}

/** Returns the charts of activity. */
export function charts(view: View): Html {
  const { report } = view.overview.monitoring;
  if (!report) return NOT_SAMPLED;
  return html`<div
    class="charts${view.overview.monitoring.isStale || view.overview.monitoring.down ? ' stale' : ''}"
  >
    ${CHARTS.map((chart) => lineChart(chartOf(chart, report, view)))}
  </div>`;
}

/** Returns the chart of the database's size. */
export function sizeChart(view: View, note: string): Html {
  const { report } = view.overview.monitoring;
  return report ? lineChart({ ...chartOf(SIZE, report, view), note }) : NOTHING;
}

/** Stands for what the probes have not seen yet. */
export const NOT_SAMPLED = html`<p class="soft">The first sample is being taken.</p>`;

function chartOf(chart: VitalChart, report: MonitoringReport, { series, now, range }: View): Chart {
  const value = chart.now(report);
  const limit = chart.limit?.(report) ?? null;
  return {
    title: chart.title,
    now: value === null ? NOT_KNOWN : chart.format(value),
    points: series[chart.vital] ?? [],
    to: rightEdge(series[chart.vital] ?? [], now),
    range,
    format: chart.format,
    ...(chart.base && { base: chart.base }),
    limit: limit === null ? undefined : { value: limit, text: `at most ${limit}` },
    note: chart.note(report),
  };
}

/** Returns where a chart ends: with its newest point, so that it stays the same until there is another. */
export function rightEdge(points: readonly ChartPoint[], now: Date): number {
  const [before, last] = points.slice(-2);
  return before && last ? 2 * last.at - before.at : now.getTime();
}

/** Lists the applications that are connected. */
export function applicationsTable({ overview }: View): Html {
  const { report } = overview.monitoring;
  if (!report) return NOTHING;
  return table({
    caption: 'Connections by application',
    columns: ['Application', { number: 'Connections' }, { number: 'Active' }],
    rows: report.applications.map(({ application, total, active }) => [application, total, active]),
  });
}
