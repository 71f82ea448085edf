import { judgeFile } from './judge-file.js';
import {
  SEVERITIES,
  type Finding,
  type LintContext,
  type LintFile,
  type LintReport,
  type Severity,
} from './lint.types.js';
import { parseFiles, type ParsedFile } from './parse-files.js';
import { spellingsOf } from './rules/migration-name.js';
import { SchemaMemory } from './schema-memory.js';

/**
 * Judges migrations, in the order in which they are applied. Pure: files and what is known of the database in, findings out.
 * Files with `isJudged: false` only tell what the tables look like when the judged ones come.
 */
export async function lintMigrations(
  files: readonly LintFile[],
  context: LintContext = {},
): Promise<LintReport> {
  return judge(await parseFiles(files), context);
}

/** The same for files that are parsed already. */
export function judge(parsed: readonly ParsedFile[], context: LintContext): LintReport {
  const schema = new SchemaMemory(context.defaultSchema ?? 'public');
  const pending = new Set(parsed.filter(({ file }) => file.isPending).map(({ file }) => file.path));
  const spellings = spellingsOf(parsed.map(({ file }) => file));
  const all = parsed.map((one) => judgeFile(one, schema, pending, { ...context, spellings }));
  const judged = parsed.filter(({ file }) => file.isJudged !== false);
  return toReport({
    files: judged.length,
    statements: judged.reduce((sum, { statements }) => sum + statements.length, 0),
    findings: all.flatMap(({ findings }) => findings.toSorted(byPlace)),
    waived: all.flatMap(({ waived }) => waived.toSorted(byPlace)),
  });
}

/** Adds the counts. */
export function toReport(report: Omit<LintReport, 'counts'>): LintReport {
  const counts: Record<Severity, number> = { error: 0, warning: 0, info: 0 };
  for (const { severity } of report.findings) counts[severity] += 1;
  return { ...report, counts };
}

function byPlace(left: Finding, right: Finding): number {
  return (
    left.line - right.line ||
    left.column - right.column ||
    SEVERITIES.indexOf(left.severity) - SEVERITIES.indexOf(right.severity)
  );
}
