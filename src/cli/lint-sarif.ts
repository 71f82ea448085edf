import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import type { Finding, LintRun, Severity } from '../migrations/lint/lint.types.js';
import { docsOf, ruleOf } from '../migrations/lint/rules/all-rules.js';

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
    helpUri: new URL(`../../${docs}`, import.meta.url).href,
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
