import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import { packageFile } from '../core/package-file.js';
import { counted, formatCount, printable } from '../core/text.js';
import { ENGINE_NAMES } from '../migrations/lint/engine.js';
import type { Finding, LintRun, Severity } from '../migrations/lint/lint.types.js';
import { docsOf, ruleOf } from '../migrations/lint/rules/all-rules.js';
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

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };

/** The name of the repository's root for code scanning services. */
const SOURCE_ROOT = '%SRCROOT%';

/** Returns the findings as SARIF 2.1.0, which code scanning services read; waived ones are suppressed with their reason. */
export function renderSarif({ findings, waived }: LintRun): string {
  const rules = [...new Set([...findings, ...waived].map(({ rule }) => rule))].toSorted();
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'pgkeep',
            semanticVersion: PGKEEP_VERSION,
            rules: rules.map(toDescriptor),
          },
        },
        columnKind: 'unicodeCodePoints',
        originalUriBaseIds: { [SOURCE_ROOT]: { uri: `${pathToFileURL(process.cwd()).href}/` } },
        results: [
          ...findings.map((finding) => toResult(finding, rules)),
          ...waived.map((finding) => ({
            ...toResult(finding, rules),
            suppressions: [{ kind: 'inSource', justification: finding.reason }],
          })),
        ],
      },
    ],
  };
  return JSON.stringify(log, null, 2);
}

/** Describes a rule; of a rule of another linter, only the name is known. */
function toDescriptor(id: string) {
  const rule = ruleOf(id);
  const docs = docsOf(id);
  if (!rule || docs === undefined) return { id, shortDescription: { text: id } };
  const { summary, breaks, instead } = rule;
  return {
    id,
    shortDescription: { text: summary },
    fullDescription: { text: breaks },
    help: {
      text: `What breaks: ${breaks}\nInstead: ${instead}\nSee ${docs}`,
      markdown: `**What breaks:** ${breaks}\n\n**Instead:** ${instead}\n\nSee \`${docs}\`.`,
    },
    helpUri: packageFile(docs).href,
  };
}

function toResult(
  { rule, severity, file, line, column, message, rewrite }: Finding,
  rules: readonly string[],
) {
  return {
    ruleId: rule,
    ruleIndex: rules.indexOf(rule),
    level: LEVELS[severity],
    message: { text: rewrite === '' ? message : `${message}\nInstead:\n${rewrite}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: locationOf(file),
          region: { startLine: line, startColumn: column },
        },
      },
    ],
  };
}

/** Returns the place of a file relative to the working directory, the repository's root in CI; elsewhere its full URL. */
function locationOf(file: string) {
  if (file.startsWith('..') || path.isAbsolute(file)) return { uri: pathToFileURL(file).href };
  return { uri: file.split(path.sep).map(encodeURIComponent).join('/'), uriBaseId: SOURCE_ROOT };
}
