import { counted, formatCount, printable } from '../core/text.js';
import { ENGINE_NAMES } from '../migrations/lint/engine.js';
import type { Finding, LintRun } from '../migrations/lint/lint.types.js';
import { wrap } from './render.js';

const WIDTH = 100;

/** Returns the findings for people: by file, the place in its line, what breaks, what to write instead; then the sum. */
export function renderLint(run: LintRun): string {
  const byFile = new Map<string, Finding[]>();
  for (const finding of run.findings)
    byFile.set(finding.file, [...(byFile.get(finding.file) ?? []), finding]);
  const files = [...byFile].map(([file, findings]) => [file, ...findings.map(renderFinding)].join('\n\n'));
  return printable([...files, renderSum(run)].join('\n\n'));
}

function renderFinding(finding: Finding): string {
  const { severity, rule, line, column, source, message, rewrite, docs } = finding;
  const number = String(line);
  const margin = ' '.repeat(number.length);
  // A tab before the caret stays a tab, so that the caret is below the place.
  const indent = Array.from(source.text)
    .slice(0, source.before)
    .map((character) => (character === '\t' ? '\t' : ' '));
  return [
    `  ${severity.padEnd(7)}  ${rule}  at ${line}:${column}`,
    ...(source.text.trim() === ''
      ? []
      : [`    ${number} | ${source.text}`, `    ${margin} | ${indent.join('')}^`]),
    ...wrap(message, WIDTH - 4).map((text) => `    ${text}`),
    ...(rewrite === '' ? [] : ['    Instead:', ...rewrite.split('\n').map((text) => `      ${text}`)]),
    ...(docs === undefined ? [] : [`    See ${docs}`]),
  ].join('\n');
}

function renderSum(run: LintRun): string {
  const { counts, files, baselined, waived, scope, database, withSquawk, engine, isNewDatabase } = run;
  const parts = [
    counted(counts.error, 'error'),
    counted(counts.warning, 'warning'),
    counts.info > 0 ? counted(counts.info, 'remark') : undefined,
    waived.length > 0 ? `${formatCount(waived.length)} waived` : undefined,
  ].filter((part) => part !== undefined);
  const found = files === 0 ? 'Nothing to check' : `${parts.join(', ')} in ${counted(files, 'file')} checked`;
  return [
    `${found} (${SCOPES[scope]}).`,
    ...(baselined > 0
      ? [`${counted(baselined, 'migration')} not checked: unchanged since the baseline.`]
      : []),
    ...(isNewDatabase
      ? ['The database is new and empty: only what prevents a migration from being applied was checked.']
      : []),
    ...(engine === 'pgkeep' ? [] : [`Checked for ${ENGINE_NAMES[engine]}.`]),
    database.asked
      ? 'Table sizes are from the database.'
      : `Every table that is not new is assumed to be large: ${database.why}.`,
    ...(scope === 'all' && baselined === 0 && counts.error > 0 && !database.asked
      ? ['To exempt migrations that were applied long ago, list them once with --write-baseline.']
      : []),
    ...(withSquawk ? ['squawk was run as well.'] : []),
    ...('fault' in database && database.fault
      ? [`The pending migrations are unknown: ${database.fault}.`]
      : []),
  ].join('\n');
}

const SCOPES: Readonly<Record<LintRun['scope'], string>> = {
  pending: 'pending migrations; --all checks every one',
  all: 'all migrations',
  named: 'the named files',
  changed: 'the files of the change',
};
