import type { Node } from 'libpg-query';
import { type ParsedFile, parseFiles } from '../sql/parse-files.js';
import { lastName } from '../sql/syntax-tree.js';
import { FileFindings, runsOnNewDatabase } from './findings.js';
import {
  type Finding,
  type LintContext,
  type LintFile,
  type LintReport,
  SEVERITIES,
  type Severity,
} from './lint.types.js';
import { FileContext } from './rule-context.js';
import { rulesFor } from './rules/all-rules.js';
import { type Spellings, spellingsOf } from './rules/migration-name.js';
import { SchemaMemory } from './schema-memory.js';

/**
 * Checks migrations in the order in which they are applied. Pure: files and what is known of the database in, findings
 * out. Files with `isJudged: false` only say what the tables are like before the others.
 */
export async function lintMigrations(
  files: readonly LintFile[],
  context: LintContext = {},
): Promise<LintReport> {
  return judge(await parseFiles(files), context);
}

/** Checks parsed migrations. Pure. */
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

/** Adds the counts to a report. */
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

/** Checks one file, and records what its statements do. */
function judgeFile(
  parsed: ParsedFile,
  schema: SchemaMemory,
  pendingFiles: ReadonlySet<string>,
  context: LintContext & { readonly spellings: Spellings },
): FileFindings {
  const { file, flat } = parsed;
  const findings = new FileFindings(parsed);
  findings.aboutTheFile(context.spellings);
  const isJudged = file.isJudged !== false && file.isStray !== true;
  const done = new Set<string>();
  const ruleContext = new FileContext(parsed, schema, pendingFiles, context);
  for (const statement of flat) {
    for (const rule of isJudged ? rulesFor(statement.node) : []) {
      if (done.has(rule.id) || (context.isNewDatabase === true && !runsOnNewDatabase(rule))) continue;
      const violations = rule.check(statement, ruleContext);
      for (const violation of violations) findings.add(rule, violation, statement);
      if (rule.oncePerFile && violations.length > 0) done.add(rule.id);
    }
    schema.learn(statement.node, file.path);
    ruleContext.learn(statement);
    ruleContext.lockTimeoutIsSet = setsLockTimeout(statement.node) ?? ruleContext.lockTimeoutIsSet;
  }
  for (const other of context.others?.get(file.path) ?? []) findings.addOther(other);
  if (isJudged) findings.aboutWaivers(context);
  return findings;
}

/** Returns whether a statement sets `lock_timeout` (true) or switches it off (false); undefined for any other. */
function setsLockTimeout(node: Node): boolean | undefined {
  if ('VariableSetStmt' in node) {
    const { kind, name, args } = node.VariableSetStmt;
    if (kind === 'VAR_RESET_ALL') return false;
    if (name !== 'lock_timeout') return undefined;
    return kind === 'VAR_SET_VALUE' && !isZero(args?.[0]);
  }
  const target = 'SelectStmt' in node ? node.SelectStmt.targetList?.[0] : undefined;
  const call = target && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (!call || !('FuncCall' in call) || lastName(call.FuncCall.funcname) !== 'set_config') return undefined;
  const [name, value] = call.FuncCall.args ?? [];
  const isLockTimeout = name && 'A_Const' in name && name.A_Const.sval?.sval === 'lock_timeout';
  return isLockTimeout ? !isZero(value) : undefined;
}

function isZero(node: Node | undefined): boolean {
  if (!node || !('A_Const' in node)) return false;
  const { ival, sval } = node.A_Const;
  return ival ? (ival.ival ?? 0) === 0 : /^\s*0+\s*[a-z]*\s*$/.test(sval?.sval ?? '');
}
