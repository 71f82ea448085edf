import { writeFile } from 'node:fs/promises';
import { withoutText } from '../../backup/omissions.js';
import { messageOf, PgkeepError } from '../../core/errors.js';
import { counted, escapeHtml, formatCount, formatSeconds, formatTime } from '../../core/text.js';
import { erasuresSinceText } from '../../privacy/replay/plan-replay.js';
import type { Comparison, TableComparison } from '../comparison/comparison.js';
import { type RestoreTestReport, SCRATCH_TEXTS } from './restore-test.types.js';

/** What each comparison checks, for a reader who does not know PostgreSQL. */
const QUESTIONS: Readonly<Record<Comparison['name'], string>> = {
  archive: 'Is the stored file identical to the one that was written?',
  restore: 'Does PostgreSQL restore it without an error?',
  tables: 'Are all tables there, and no others?',
  rows: 'Does every table have as many rows as when it was backed up?',
  contents: 'Do all rows have the same contents?',
  relations: 'Tables, views, sequences and partitions',
  columns: 'Columns, their types and defaults',
  constraints: 'Constraints, and whether they are validated',
  indexes: 'Indexes',
  triggers: 'Triggers, and whether they are enabled',
  rowSecurity: 'Row-level security and its policies',
  extensions: 'Extensions and their versions',
  sequences: 'Does every sequence continue after its last value?',
  foreignKeys: 'Does every reference lead to an existing row?',
  migrations: 'Are the same migrations applied?',
};

/** Writes the report to a file. @throws PgkeepError `USAGE_INVALID` if that fails. */
export async function writeReport(file: string, report: RestoreTestReport): Promise<void> {
  try {
    await writeFile(file, htmlReport(report), { mode: 0o644 });
  } catch (cause) {
    throw new PgkeepError('USAGE_INVALID', `Cannot write the report to ${file}: ${messageOf(cause)}`, {
      hint: 'The test is done and its evidence is stored: `pgkeep restore history` lists it. Give --report the path of a file that can be written.',
      cause,
    });
  }
}

/** Returns a self-contained page for people who did not run the test: what was tested, the result, how to verify it. */
export function htmlReport(report: RestoreTestReport): string {
  const { backup, comparisons, tables, notes } = report;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Restore test of ${escapeHtml(backup)}: ${report.verdict}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<header><p>Restore test</p><h1>${escapeHtml(backup)}</h1></header>
${verdict(report)}
${facts(report)}
<h2>Comparisons</h2>
<table>
<thead><tr><th class="mark">Result</th><th class="name">Comparison</th><th>Details</th></tr></thead>
<tbody>
${comparisons.map(comparisonRow).join('\n')}
</tbody>
</table>
${notes.length === 0 ? '' : `<h2>Notes</h2>\n<ul>${notes.map((note) => `<li>${escapeHtml(note)}</li>`).join('')}</ul>`}
${tables.length === 0 ? '' : tableSection(tables)}
${erased(report)}
${versions(report)}
${proof(report)}
<footer>Written by pgkeep ${escapeHtml(report.versions.pgkeep)} on ${time(report.finishedAt)}. All times are UTC.</footer>
</body>
</html>
`;
}

function verdict(report: RestoreTestReport): string {
  const { verdict: result, without = [], restoredTo, finishedAt, comparisons } = report;
  const failed = comparisons.filter(({ ok }) => !ok).length;
  const missing = withoutText(without);
  const text =
    result === 'passed'
      ? `The backup was restored into an empty database, which then had the structure and the contents of the database that was backed up${missing && `. The backup was made${escapeHtml(missing.slice(1))}`}.`
      : `${failed} of ${counted(comparisons.length, 'comparison')} failed. Do not rely on this backup.`;
  return `<section class="verdict ${result}"><strong>${result === 'passed' ? `Passed${escapeHtml(missing)}` : 'Failed'}</strong>
<span>${text} Tested in ${SCRATCH_TEXTS[restoredTo]}, ${time(finishedAt)}.</span></section>`;
}

function facts(report: RestoreTestReport): string {
  const { tables, restoreMs, compareMs, environment, backupFinishedAt } = report;
  const rows = tables.reduce((sum, { foundRows }) => sum + (foundRows ?? 0), 0);
  const shown: [string, string][] = [
    ['Environment', environment],
    ['Backed up', time(backupFinishedAt)],
    ['Archive', `${formatCount(report.archive.bytes)} bytes`],
    ['Tables restored', restoreMs === null || tables.length === 0 ? 'none' : formatCount(tables.length)],
    ['Rows restored', tables.length === 0 ? 'none' : formatCount(rows)],
    ['Recovery time', restoreMs === null ? 'not restored' : duration(restoreMs)],
    ['Comparison time', compareMs === null ? 'not compared' : duration(compareMs)],
    ['Test time', duration(report.durationMs)],
  ];
  return `<dl class="facts">${shown
    .map(([name, value]) => `<div><dt>${name}</dt><dd>${escapeHtml(value)}</dd></div>`)
    .join('')}</dl>`;
}

function comparisonRow({ name, ok, details }: Comparison): string {
  return `<tr${ok ? '' : ' class="fault"'}><td class="mark ${ok ? 'yes' : 'no'}">${ok ? '✓ passed' : '✗ failed'}</td><td class="name">${escapeHtml(name)}</td><td>${escapeHtml(details)}<br><span class="soft">${QUESTIONS[name]}</span></td></tr>`;
}

/** Lists the tables that differ first. */
function tableSection(tables: readonly TableComparison[]): string {
  const differing = tables.filter((table) => !isSame(table));
  const rows = [...differing, ...tables.filter(isSame)];
  return `<h2>Tables</h2>
<table>
<thead><tr><th class="mark">Result</th><th>Table</th><th class="number">Rows expected</th><th class="number">Rows found</th><th class="contents">Contents</th></tr></thead>
<tbody>
${rows.map(tableRow).join('\n')}
</tbody>
</table>`;
}

function tableRow(table: TableComparison): string {
  const { name, expectedRows, foundRows, sameContents, reported } = table;
  const same = isSame(table);
  return `<tr${same ? '' : ' class="fault"'}><td class="mark ${same ? 'yes' : 'no'}">${same ? '✓ same' : '✗ differs'}</td><td>${escapeHtml(name)}</td><td class="number">${rowsText(expectedRows)}</td><td class="number">${rowsText(foundRows)}</td><td class="contents">${sameContents ? 'same hash' : escapeHtml(reported ?? 'other hash')}</td></tr>`;
}

function erased({ erasures }: RestoreTestReport): string {
  if (erasures === undefined) return '';
  const text =
    erasures === null
      ? 'What was erased since the backup is not known. A restore of it is refused until that can be read.'
      : erasures.actions === 0
        ? 'Nothing was erased since the backup.'
        : `${escapeHtml(erasuresSinceText(erasures))}. The test compares with the backup and erases nothing. A restore of the backup repeats these erasures before the restored database is used.`;
  return `<h2>Erased since the backup</h2>\n<p>${text}</p>`;
}

function versions({ versions: used, database, startedAt }: RestoreTestReport): string {
  const pairs: [string, string][] = [
    ['Database', database],
    ['Dumped from', `PostgreSQL ${used.dumpedServer}, by pg_dump ${used.pgDump}`],
    ['Restored into', used.server === null ? 'not restored' : `PostgreSQL ${used.server}`],
    ['Restored by', used.pgRestore === null ? 'not restored' : `pg_restore ${used.pgRestore}`],
    ['Test started', time(startedAt)],
  ];
  return `<h2>Versions</h2>\n${pairsTable(pairs)}`;
}

function proof(report: RestoreTestReport): string {
  const { archive, hash, previousHash, number, notRecorded, backup } = report;
  const pairs: [string, string][] = [
    ['sha256 of the archive', archive.sha256],
    ['sha256 of this evidence', hash],
    ['sha256 of the previous evidence', previousHash ?? 'none: this evidence is not part of the chain'],
    [
      'Recorded',
      number === null
        ? `not in the database: ${notRecorded ?? ''}`
        : `number ${number} of pgkeep.restore_test in the database, a table that triggers protect from changes`,
    ],
  ];
  return `<h2>How to verify this report</h2>
${pairsTable(pairs, 'hash')}
<p>The evidence is the JSON document beside the backup. It contains the hash of the previous evidence, so that none can
be changed, removed or inserted without breaking the chain. To verify it with standard tools:</p>
<pre>sha256sum ${escapeHtml(archive.name)}
jq -cSj 'del(.hash)' ${escapeHtml(backup)}.restore-test.json | sha256sum</pre>
<p>To verify the complete chain in the database: <code>pgkeep restore history</code>.</p>`;
}

function pairsTable(pairs: readonly (readonly [string, string])[], valueClass = ''): string {
  const rows = pairs.map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeHtml(name)}</th><td class="${valueClass}">${escapeHtml(value)}</td></tr>`,
  );
  return `<table class="pairs"><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

/** Whether a reader need not look into a table: it is the same, or its difference cannot be avoided. */
function isSame({ expectedRows, foundRows, sameContents, reported }: TableComparison): boolean {
  return (expectedRows === foundRows && sameContents) || reported !== undefined;
}

function rowsText(rows: number | null): string {
  return rows === null ? 'no table' : formatCount(rows);
}

function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 60) return formatSeconds(ms);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${Math.round(seconds % 60)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function time(iso: string): string {
  return escapeHtml(formatTime(iso));
}

/** The report's style. It loads no fonts, scripts or images, prints on A4, and follows the reader's color scheme. */
const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fdfcfa; --ink: #1d1f23; --soft: #62666f; --line: #e0ddd6; --panel: #f5f3ee;
  --good: #1a7a48; --good-soft: #e4f3ea; --bad: #b3261e; --bad-soft: #fbe9e7;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e8e6e1; --soft: #a0a3aa; --line: #33363c; --panel: #1e2125;
    --good: #6fcf97; --good-soft: #16301f; --bad: #ff8a80; --bad-soft: #3a1b19;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 3rem 2rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
header p, .soft { color: var(--soft); }
header p { margin: 0; letter-spacing: .02em; }
h1 { margin: .2rem 0 1.6rem; font-size: 1.7rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; }
h2 { margin: 2.6rem 0 .7rem; font-size: 1.1rem; font-weight: 650; }
.verdict { padding: 1.1rem 1.4rem; border-radius: .6rem; border-left: .4rem solid; }
.verdict strong { display: block; font-size: 1.5rem; font-weight: 700; letter-spacing: -.01em; }
.passed { background: var(--good-soft); border-color: var(--good); }
.failed { background: var(--bad-soft); border-color: var(--bad); }
.passed strong, .yes { color: var(--good); }
.failed strong, .no { color: var(--bad); }
.verdict span { color: var(--ink); }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; margin-top: 1.6rem;
  background: var(--line); border: 1px solid var(--line); border-radius: .6rem; overflow: hidden; }
@media (max-width: 44rem) { .facts { grid-template-columns: repeat(2, 1fr); } body { padding: 1.5rem 1rem; } }
.facts div { background: var(--panel); padding: .8rem 1rem; }
.facts dt { color: var(--soft); font-size: .82rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-weight: 600; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; color: var(--soft); font-size: .82rem; font-weight: 500; }
th, td { padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:last-child, th:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; }
.mark { width: 5.5rem; font-weight: 650; white-space: nowrap; }
th.mark { font-weight: 500; }
.contents { width: 8rem; padding-left: 1.2rem; }
.name { width: 8.5rem; }
tr.fault td { background: var(--bad-soft); }
code, .hash { font: .86em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { margin: .6rem 0; padding: .8rem 1rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: .5rem; white-space: pre-wrap; font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.pairs th { width: 13rem; font-size: .95rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .86rem; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #f6f6f6;
    --good: #1a7a48; --good-soft: #eef7f1; --bad: #b3261e; --bad-soft: #fdf0ee; }
  @page { margin: 16mm; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  thead { display: table-header-group; }
  tr, .verdict, .facts, pre { break-inside: avoid; }
  h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}`;
