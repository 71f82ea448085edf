import type { Node } from 'libpg-query';
import { lastName } from './ast.js';
import { FileContext } from './file-context.js';
import { FileFindings } from './file-findings.js';
import type { LintContext } from './lint.types.js';
import type { ParsedFile } from './parse-files.js';
import { rulesFor } from './rules/all-rules.js';
import type { Spellings } from './rules/migration-name.js';
import type { SchemaMemory } from './schema-memory.js';

/** Judges one file, and takes note of what its statements do. */
export function judgeFile(
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
      // Where nothing is, nothing is lost and nothing waits: what counts is whether the migration can be applied.
      if (done.has(rule.id) || (context.isNewDatabase === true && rule.stopsMigration !== true)) continue;
      const violations = rule.check(statement, ruleContext);
      for (const violation of violations) findings.add(rule.id, violation, statement);
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

/** Whether a statement sets `lock_timeout` (true), switches it off (false), or neither. */
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
