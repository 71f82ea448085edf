import { counted, formatBytes, formatCount, formatSeconds } from '../core/text.js';
import { type RestoreTestReport, SCRATCH_TEXTS } from '../restore/test/restore-test.types.js';
import { html, NOTHING, type Html } from './html.js';
import { icon } from './icons.js';
import { exactTime } from './times.js';
import { actionForms } from './backups.js';
import { freshness, table, type View } from './view.js';

/** The page of restore tests. */
export function restoreTestsPage(view: View): Html {
  const { restoreTests } = view.overview;
  const history = restoreTests.value;
  return html`<h1>Restore tests</h1>
    <p class="soft">
      A restore test restores a backup into an empty database and compares everything with the manifest. Only
      such a backup is proven.
    </p>
    ${freshness(restoreTests)}
    <section class="card wide">
      ${
        history === null
          ? NOTHING
          : html`${history.chainFault === null ? html`<p class="calm">${icon('ok')} The chain of ${counted(history.total, 'test')} is intact.</p>` : html`<p class="bad">${icon('critical')} ${history.chainFault}</p>`}${
              history.tests.length === 0
                ? html`<p>No restore was tested yet.</p>`
                : table({
                    caption: 'Tests, newest first',
                    className: 'stack',
                    columns: ['Test', 'Verdict', 'Backup', 'Finished (UTC)', { number: 'Took' }],
                    rows: history.tests.map((test) => [
                      html`<a href="restore-test?number=${test.number}">${test.number}</a>`,
                      verdictText(test.verdict),
                      html`<code>${test.backup}</code
                        >${test.without.length === 0 ? NOTHING : html` <span class="bad">without ${test.without.join(', ')}</span>`}`,
                      exactTime(test.finishedAt),
                      formatSeconds(test.durationMs),
                    ]),
                  })
            }${actionForms(view)}`
      }
    </section>`;
}

function verdictText(verdict: 'passed' | 'failed'): Html {
  return verdict === 'passed'
    ? html`<span class="good">passed</span>`
    : html`<span class="bad">failed</span>`;
}

/** The page of one restore test: what was compared, and the proof. */
export function restoreTestPage(report: RestoreTestReport): Html {
  const { comparisons, tables, notes, number } = report;
  const rows = tables.reduce((sum, { foundRows }) => sum + (foundRows ?? 0), 0);
  const facts: readonly (readonly [string, string])[] = [
    ['Backup', report.backup],
    ['Environment', report.environment],
    ['Archive', formatBytes(report.archive.bytes)],
    ['Restored to', SCRATCH_TEXTS[report.restoredTo]],
    ['Rows compared', formatCount(rows)],
    ['Time to restore', report.restoreMs === null ? 'not restored' : formatSeconds(report.restoreMs)],
    ['Time to compare', report.compareMs === null ? 'not compared' : formatSeconds(report.compareMs)],
  ];
  return html`<p class="back"><a href="restore-tests">Restore tests</a></p>
    <h1>Restore test ${number ?? ''}: ${report.verdict}</h1>
    <p>
      ${exactTime(report.startedAt)} to ${exactTime(report.finishedAt)} UTC.
      <a href="restore-test-report?number=${number ?? 0}">Report for an auditor (HTML)</a>
    </p>
    <section class="card wide">
      <dl class="facts">
        ${facts.map(
          ([name, value]) =>
            html`<div>
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
    </section>
    <section class="card wide">
      <h2>Comparisons</h2>
      ${table({
        caption: counted(comparisons.length, 'comparison'),
        className: 'stack',
        columns: ['Comparison', 'Result', 'Details'],
        rows: comparisons.map(({ name, ok, details }) => [
          name,
          verdictText(ok ? 'passed' : 'failed'),
          details,
        ]),
      })}
    </section>
    ${
      notes.length === 0
        ? NOTHING
        : html`<section class="card wide">
            <h2>Notes</h2>
            <ul>
              ${notes.map((note) => html`<li>${note}</li>`)}
            </ul>
          </section>`
    }
    ${
      tables.length === 0
        ? NOTHING
        : html`<section class="card wide">
            <h2>Tables</h2>
            ${table({
              caption: counted(tables.length, 'table'),
              columns: ['Table', { number: 'Rows expected' }, { number: 'Rows found' }, 'Contents'],
              rows: tables.map(({ name, expectedRows, foundRows, sameContents }) => [
                name,
                expectedRows === null ? '–' : formatCount(expectedRows),
                foundRows === null ? '–' : formatCount(foundRows),
                sameContents ? html`<span class="good">same</span>` : html`<span class="bad">differ</span>`,
              ]),
            })}
          </section>`
    }
    <section class="card wide">
      <h2>Proof</h2>
      <p class="soft">
        Archive <code>${report.archive.sha256}</code><br />Evidence <code>${report.hash}</code><br />Evidence
        before it <code>${report.previousHash ?? 'not known'}</code>
      </p>
    </section>`;
}
