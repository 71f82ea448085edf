import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import type { Finding, LintRun, Severity } from '../migrations/lint/lint.types.js';
import { RULE_SUMMARIES } from '../migrations/lint/rules/rule-summaries.js';

const LEVELS: Readonly<Record<Severity, string>> = { error: 'error', warning: 'warning', info: 'note' };

/** The name that code scanning services know the repository's root by. */
const SOURCE_ROOT = '%SRCROOT%';

/** A lint as SARIF 2.1.0: what code scanning services read. Waived findings are in it, suppressed with their reason. */
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
            rules: rules.map((id) => ({ id, shortDescription: { text: RULE_SUMMARIES[id] ?? id } })),
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

/** Relative to where pgkeep runs, the repository's root in CI; a file elsewhere by its whole URL. */
function locationOf(file: string) {
  if (file.startsWith('..') || path.isAbsolute(file)) return { uri: pathToFileURL(file).href };
  return { uri: file.split(path.sep).map(encodeURIComponent).join('/'), uriBaseId: SOURCE_ROOT };
}
