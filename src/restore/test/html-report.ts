import { writeFile } from 'node:fs/promises';
import { withoutText } from '../../backup/omission-texts.js';
import { messageOf, PgkeepError } from '../../core/errors.js';
import { formatCount, formatSeconds, formatTime } from '../../core/text.js';
import type { Comparison, TableComparison } from '../comparison/comparison.js';
import { REPORT_STYLE } from './report-style.js';
import type { RestoreTestReport } from './restore-test.types.js';

/** What each comparison asks, for a reader who does not know PostgreSQL. */
const QUESTIONS: Readonly<Record<Comparison['name'], string>> = {
  archive: 'Is the stored file, to the byte, the one that was written?',
  restore: 'Does PostgreSQL restore it from the first to the last statement?',
  tables: 'Is every table there, and no other?',
  rows: 'Has every table as many rows as when it was backed up?',
  contents: 'Do all the rows hold what they held?',
  relations: 'Tables, views, sequences and partitions',
  columns: 'Columns, their types and defaults',
  constraints: 'Constraints, and whether they are in force',
  indexes: 'Indexes',
  triggers: 'Triggers, and whether they are on',
  rowSecurity: 'Row-level security and its policies',
  extensions: 'Extensions and their versions',
  sequences: 'Is no sequence behind where it stood?',
  foreignKeys: 'Does every reference lead to a row?',
  migrations: 'Are the same migrations applied?',
};

/** @throws PgkeepError `USAGE_INVALID` when the file cannot be written. */
export async function writeReport(file: string, report: RestoreTestReport): Promise<void> {
  try {
    await writeFile(file, htmlReport(report), { mode: 0o644 });
  } catch (cause) {
    throw new PgkeepError('USAGE_INVALID', `Cannot write the report to ${file}: ${messageOf(cause)}`, {
      hint: 'The test was made, and its evidence is kept: `pgkeep restore tests`. Give --report a file that can be written.',
      cause,
    });
  }
}

/** One self-contained page for people who were not there: what was tested, what was found, how to check it. */
export function htmlReport(report: RestoreTestReport): string {
  const { backup, comparisons, tables, notes } = report;
  const faults = comparisons.filter(({ ok }) => !ok).length;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Restore test of ${escape(backup)}: ${report.verdict}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<header><p>Restore test</p><h1>${escape(backup)}</h1></header>
${verdict(report, faults)}
${facts(report)}
<h2>What was compared</h2>
<table>
<thead><tr><th class="mark">Result</th><th class="name">Comparison</th><th>What was found</th></tr></thead>
<tbody>
${comparisons.map(comparisonRow).join('\n')}
</tbody>
</table>
${notes.length === 0 ? '' : `<h2>What to know</h2>\n<ul>${notes.map((note) => `<li>${escape(note)}</li>`).join('')}</ul>`}
${tables.length === 0 ? '' : tableSection(tables)}
${versions(report)}
${proof(report)}
<footer>Written by pgkeep ${escape(report.versions.pgkeep)} on ${time(report.finishedAt)}. All times are UTC.</footer>
</body>
</html>
`;
}

function verdict(
  { verdict: result, without = [], restoredTo, finishedAt }: RestoreTestReport,
  faults: number,
): string {
  const missing = withoutText(without);
  const text =
    result === 'passed'
      ? `The backup was restored into an empty database, and everything that came out of it is what went in${missing && `. The backup was made${escape(missing.slice(1))}`}.`
      : `${faults === 1 ? 'One comparison says' : `${faults} comparisons say`} no. Do not rely on this backup.`;
  return `<section class="verdict ${result}"><strong>${result === 'passed' ? `Passed${escape(missing)}` : 'Failed'}</strong>
<span>${text} Tested in a ${restoredTo}, ${time(finishedAt)}.</span></section>`;
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
    ['Comparing took', compareMs === null ? 'not compared' : duration(compareMs)],
    ['Whole test', duration(report.durationMs)],
  ];
  return `<dl class="facts">${shown
    .map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`)
    .join('')}</dl>`;
}

function comparisonRow({ name, ok, details }: Comparison): string {
  return `<tr${ok ? '' : ' class="fault"'}><td class="mark ${ok ? 'yes' : 'no'}">${ok ? '✓ good' : '✗ no'}</td><td class="name">${escape(name)}</td><td>${escape(details)}<br><span class="soft">${QUESTIONS[name]}</span></td></tr>`;
}

/** What differs first: a reader looks for it. */
function tableSection(tables: readonly TableComparison[]): string {
  const differing = tables.filter((table) => !isSame(table));
  const rows = [...differing, ...tables.filter(isSame)];
  return `<h2>Table by table</h2>
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
  return `<tr${same ? '' : ' class="fault"'}><td class="mark ${same ? 'yes' : 'no'}">${same ? '✓ same' : '✗ differs'}</td><td>${escape(name)}</td><td class="number">${rowsText(expectedRows)}</td><td class="number">${rowsText(foundRows)}</td><td class="contents">${sameContents ? 'same hash' : escape(reported ?? 'other')}</td></tr>`;
}

function versions({ versions: used, database, startedAt }: RestoreTestReport): string {
  const pairs: [string, string][] = [
    ['Database', database],
    ['Dumped from', `PostgreSQL ${used.dumpedServer}, by pg_dump ${used.pgDump}`],
    ['Restored into', used.server === null ? 'not restored' : `PostgreSQL ${used.server}`],
    ['Restored by', used.pgRestore === null ? 'not restored' : `pg_restore ${used.pgRestore}`],
    ['Test begun', time(startedAt)],
  ];
  return `<h2>With what</h2>\n${pairsTable(pairs)}`;
}

function proof(report: RestoreTestReport): string {
  const { archive, hash, previousHash, number, notRecorded, backup } = report;
  const pairs: [string, string][] = [
    [`sha256 of ${archive.name}`, archive.sha256],
    ['sha256 of this evidence', hash],
    ['sha256 of the evidence before', previousHash ?? 'none: this evidence is not in the chain'],
    [
      'Recorded',
      number === null
        ? `not in the database: ${notRecorded ?? ''}`
        : `number ${number} of pgkeep.restore_test in the database, which nobody may change`,
    ],
  ];
  return `<h2>How to check this</h2>
${pairsTable(pairs, 'hash')}
<p>The evidence is the document beside the backup. It names the hash of the evidence before, so that none can be
changed, taken out or put in without breaking the chain. With standard tools:</p>
<pre>sha256sum ${escape(archive.name)}
jq -cSj 'del(.hash)' ${escape(backup)}.restore-test.json | sha256sum</pre>
<p>The whole chain, recomputed from the database: <code>pgkeep restore tests</code>.</p>`;
}

function pairsTable(pairs: readonly (readonly [string, string])[], valueClass = ''): string {
  const rows = pairs.map(
    ([name, value]) =>
      `<tr><th scope="row">${escape(name)}</th><td class="${valueClass}">${escape(value)}</td></tr>`,
  );
  return `<table class="pairs"><tbody>\n${rows.join('\n')}\n</tbody></table>`;
}

/** A difference that no restore can avoid is none that a reader must look into. */
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
  return escape(formatTime(iso));
}

function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? character);
}
