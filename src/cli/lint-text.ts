import { counted, formatCount, printable } from '../core/text.js';
import { ENGINE_NAMES } from '../migrations/lint/engine.js';
import type { Finding, LintRun } from '../migrations/lint/lint.types.js';
import { wrap } from './render.js';

const WIDTH = 100;

/** A lint for people: by file, the place under its line, what breaks, what to write instead; then the sum. */
export function renderLint(run: LintRun): string {
  const byFile = new Map<string, Finding[]>();
  for (const finding of run.findings)
    byFile.set(finding.file, [...(byFile.get(finding.file) ?? []), finding]);
  const files = [...byFile].map(([file, findings]) => [file, ...findings.map(renderFinding)].join('\n\n'));
  return printable([...files, renderSum(run)].join('\n\n'));
}

function renderFinding({ severity, rule, line, column, source, message, rewrite }: Finding): string {
  const number = String(line);
  const margin = ' '.repeat(number.length);
  // A tab before the caret stays a tab, or the caret would stand elsewhere than the place.
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
  ].join('\n');
}

function renderSum(run: LintRun): string {
  const { counts, files, baselined, waived, scope, database, withSquawk, engine, isNewDatabase } = run;
  const told = [
    counted(counts.error, 'error'),
    counted(counts.warning, 'warning'),
    counts.info > 0 ? counted(counts.info, 'remark') : undefined,
    waived.length > 0 ? `${formatCount(waived.length)} waived` : undefined,
  ].filter((part) => part !== undefined);
  const found = files === 0 ? 'Nothing to judge' : `${told.join(', ')} in ${counted(files, 'file')} judged`;
  return [
    `${found} (${SCOPES[scope]}).`,
    ...(baselined > 0 ? [`${counted(baselined, 'migration')} in the baseline, unchanged: not judged.`] : []),
    ...(isNewDatabase
      ? ['The database is new and empty: only what keeps a migration from being applied is judged.']
      : []),
    ...(engine === 'pgkeep' ? [] : [`Judged for ${ENGINE_NAMES[engine]}.`]),
    database.asked
      ? 'Sizes of tables are those of the database.'
      : `Every table that is not new is taken for large: ${database.why}.`,
    ...(scope === 'all' && baselined === 0 && counts.error > 0 && !database.asked
      ? ['Migrations that were applied long ago: list them with --write-baseline, once.']
      : []),
    ...(withSquawk ? ['squawk was asked as well.'] : []),
    ...('fault' in database && database.fault ? [`What is pending is not known: ${database.fault}.`] : []),
  ].join('\n');
}

const SCOPES: Readonly<Record<LintRun['scope'], string>> = {
  pending: 'those that the database has yet to apply; --all judges every one',
  all: 'the whole directory',
  named: 'those that were named',
  changed: 'those that the change brings',
};
