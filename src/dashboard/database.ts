import { formatBytes, formatCount, formatMinute } from '../core/text.js';
import { applicationsTable, NOT_SAMPLED, rangeLinks, rightEdge, charts, sizeChart } from './activity.js';
import { html, NOTHING, type Html } from './html.js';
import { momentLabel } from './scale.js';
import { exactTime, millisecondsText } from './times.js';
import { freshness, section, table, type View } from './view.js';
import { condensed } from './chart.js';

/** Returns the forecast of the disk, in words; empty if there is none. */
function spaceNote({ overview }: View): string {
  return overview.upcoming.find(({ what }) => what === 'disk')?.text ?? '';
}

/** Leaves out the schema that most databases have only. */
function shortName(name: string): string {
  return name.replace(/^public\./, '');
}

/** Shows the size of the database, and its largest tables. */
export function storageSection(view: View): Html {
  const { report } = view.overview.monitoring;
  const largest = report?.largest.slice(0, 5) ?? [];
  const size = report?.vitals.sizeBytes ?? view.overview.stats.value?.sizeBytes ?? null;
  return section({
    id: 'storage',
    title: 'Storage',
    href: 'tables',
    summary:
      size === null
        ? 'Not known'
        : `${formatBytes(size)}${largest[0] ? `; largest table ${shortName(largest[0].name)}` : ''}`,
    body: html`${report ? sizeChart(view, spaceNote(view)) : NOT_SAMPLED}${
      largest.length === 0
        ? NOTHING
        : table({
            caption: 'Largest tables',
            columns: ['Table', { number: 'Size' }],
            rows: largest.map(({ name, bytes }) => [shortName(name), formatBytes(bytes)]),
          })
    }`,
  });
}

/** Shows who is connected. */
export function connectionsSection(view: View): Html {
  const { report } = view.overview.monitoring;
  return section({
    id: 'connections',
    title: 'Connections',
    href: 'activity',
    summary: report?.sessions
      ? `${report.sessions.total}, of ${report.applications.length} applications`
      : 'Not known',
    body: report ? applicationsTable(view) : NOT_SAMPLED,
  });
}

/** Shows which statements take the server's time; pgkeep's are left out. */
export function statementsSection(view: View): Html {
  const { report } = view.overview.monitoring;
  const [first] = report?.statements ?? [];
  return section({
    id: 'statements',
    title: 'Slowest statements',
    href: 'statements',
    isWide: true,
    summary: first ? html`<code>${first.statement.slice(0, 60)}</code> ${percent(first.share)}` : 'Not known',
    body: statementsTable(view, 5),
  });
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function statementsTable(view: View, most: number): Html {
  const { report } = view.overview.monitoring;
  if (!report) return NOT_SAMPLED;
  if (report.statements.length === 0) {
    const isHidden = report.findings.some(({ code }) => code === 'STATEMENTS_UNKNOWN');
    return html`<p class="soft">
      ${isHidden ? 'Not known: pg_stat_statements is not installed in this database.' : 'No statement yet.'}
    </p>`;
  }
  return table({
    caption: 'By their part of the time of all statements, without pgkeep’s, since the statistics were reset',
    className: 'statements',
    columns: ['Statement', { number: 'Part of the time' }, { number: 'Mean' }, { number: 'Calls' }],
    rows: report.statements.slice(0, most).map(({ statement, share, meanMs, calls }) => [
      html`<code>${statement}</code>`,
      html`<svg class="share" viewBox="0 0 50 8" preserveAspectRatio="none" aria-hidden="true">
          <rect class="of" width="50" height="8" rx="2" />
          <rect width="${Math.max(1, share * 50).toFixed(1)}" height="8" rx="2" /></svg
        >${percent(share)}`,
      millisecondsText(meanMs),
      formatCount(calls),
    ]),
  });
}

/** The page of statements. */
export function statementsPage(view: View): Html {
  return html`<h1>Slowest statements</h1>
    <p class="soft">Values are replaced by $1, $2, …: pgkeep never stores or shows them.</p>
    <section class="card wide">${statementsTable(view, 50)}</section>`;
}

/** The page of tables. */
export function tablesPage(view: View): Html {
  const { stats } = view.overview;
  return html`<div class="title">
      <h1>Tables</h1>
      ${rangeLinks(view.range)}
    </div>
    ${freshness(stats)}
    <section class="card wide">${sizeChart(view, spaceNote(view))}</section>
    ${
      stats.value === null
        ? NOTHING
        : html`<section class="card wide">
            ${table({
              caption: `${formatCount(stats.value.tableCount)} tables, as of ${formatMinute(stats.value.collectedAt)} UTC. An estimated number of rows begins with ~`,
              className: 'stack',
              columns: [
                'Table',
                { number: 'Rows' },
                { number: 'Size' },
                { number: 'of it indexes' },
                { number: 'Dead rows' },
                'Vacuumed (UTC)',
                'Analyzed (UTC)',
              ],
              rows: stats.value.tables
                .toSorted((left, right) => right.totalBytes - left.totalBytes)
                .slice(0, MOST_TABLES)
                .map((one) => [
                  html`${shortName(one.name)}${one.locked ? html` <span class="tag">locked</span>` : NOTHING}`,
                  `${one.rowCountIsExact ? '' : '~'}${formatCount(one.rowCount)}`,
                  formatBytes(one.totalBytes),
                  formatBytes(one.indexBytes),
                  one.deadRows === null ? '–' : formatCount(one.deadRows),
                  one.lastVacuumAt === null ? 'never' : exactTime(one.lastVacuumAt),
                  one.lastAnalyzeAt === null ? 'never' : exactTime(one.lastAnalyzeAt),
                ]),
            })}${stats.value.tableCount > MOST_TABLES ? html`<p class="soft">The largest ${MOST_TABLES} are shown; <code>GET /admin/database/stats</code> has all.</p>` : NOTHING}
          </section>`
    }`;
}

/** A page with 50,000 tables would be megabytes. */
const MOST_TABLES = 200;

/** The page of activity: the charts, their values as a table, and the applications. */
export function activityPage(view: View): Html {
  const columns = [
    ['connections', 'Connections'],
    ['transactionsPerSecond', 'Transactions a second'],
    ['meanStatementMs', 'Mean time of a statement, ms'],
    ['connectMs', 'Time to connect, ms'],
  ] as const;
  const at = { to: rightEdge(view.series['connections'] ?? [], view.now), range: view.range };
  const values = columns.map(([vital]) => condensed(view.series[vital] ?? [], at));
  const rows = (values[0] ?? [])
    .map(({ at: moment }, index) => ({ moment, row: values.map((points) => points[index]?.average ?? null) }))
    .filter(({ row }) => row.some((value) => value !== null))
    .toReversed();
  return html`<div class="title">
      <h1>Activity</h1>
      ${rangeLinks(view.range)}
    </div>
    <section class="card wide">${charts(view)}</section>
    <section class="card wide">${applicationsTable(view)}</section>
    <section class="card wide">
      <details id="values">
        <summary>The values of the charts</summary>
        ${table({
          caption: `Averages, ${view.range.text}, newest first`,
          columns: ['Time', ...columns.map(([, title]) => ({ number: title }))],
          rows: rows.map(({ moment, row }) =>
            [momentLabel(moment, view.range)].concat(
              row.map((value) => (value === null ? '–' : value.toFixed(value < 10 ? 2 : 0))),
            ),
          ),
        })}
      </details>
    </section>`;
}
