import { closest } from 'fastest-levenshtein';
import type { ParsedFile } from '../sql/parse-files.js';
import type { SourceText } from '../sql/source-text.js';
import type { Statement } from '../sql/statements.js';
import type { Finding, LintContext, OtherFinding, WaivedFinding } from './lint.types.js';
import type { Rule, RuleDeclaration, Violation } from './rule.js';
import { docsOf, FILE_RULES, ruleOf, RULES, WAIVER_RULES } from './rules/all-rules.js';
import type { Spellings } from './rules/migration-name.js';

/** Longer source lines are cut around the place. */
const WIDEST = 160;

/** What findings say of the rule that they break. */
type RuleOfFinding = Pick<RuleDeclaration, 'id' | 'severity' | 'cannotBeWaived'>;

/** The findings of one file, with their places, without those that its waivers allow. */
export class FileFindings {
  readonly findings: Finding[] = [];
  readonly waived: WaivedFinding[] = [];
  private readonly waivers: readonly Waiver[];
  private readonly used = new Set<string>();

  constructor(private readonly parsed: ParsedFile) {
    this.waivers = waiversOf(parsed.source, parsed.statements);
  }

  /** Adds what is wrong at a place; `statement` is undefined if it is about the file. */
  add(rule: RuleOfFinding, violation: Violation, statement?: Statement): void {
    const finding = this.toFinding(rule, violation, statement);
    const waiver =
      rule.cannotBeWaived === true
        ? undefined
        : this.waivers.find((candidate) => covers(candidate, rule.id, violation, statement));
    const reason = violation.acceptedBecause ?? waiver?.reason;
    if (waiver) this.used.add(`${waiver.index} ${rule.id}`);
    if (reason === undefined) this.findings.push(finding);
    else this.waived.push({ ...finding, reason });
  }

  /**
   * Adds the findings about the file.
   * @param spellings how the first migration of each directory spells its time
   */
  aboutTheFile(spellings: Spellings): void {
    const { file } = this.parsed;
    const isChecked = file.isJudged !== false && file.isStray !== true;
    for (const rule of FILE_RULES) {
      if (!isChecked && rule.everyFile !== true) continue;
      for (const violation of rule.checkFile(this.parsed, spellings)) this.add(rule, violation);
    }
  }

  /** Adds a finding of another linter. */
  addOther({ rule, line, byte, message, help }: OtherFinding): void {
    const { source, statements } = this.parsed;
    const index = source.indexInLine(line, byte);
    const statement = statements.findLast((one) => one.index <= index) ?? statements[0];
    this.add(
      { id: rule, severity: 'warning' },
      {
        index: Math.max(index, statement?.index ?? 0),
        message,
        ...(help !== '' && { rewrite: `-- ${help}` }),
      },
      statement,
    );
  }

  /** Adds what is wrong with the waivers themselves; called when every other finding is in. */
  aboutWaivers(context: Pick<LintContext, 'others' | 'isNewDatabase'>): void {
    // A file that cannot be read may have what its waivers are for.
    if (this.parsed.statements.length === 0 && this.parsed.obstacles.length > 0) return;
    for (const waiver of this.waivers) {
      const unused = waiver.rules.flatMap((id) => this.whyUnused(waiver, id, context) ?? []);
      for (const rule of WAIVER_RULES) {
        for (const violation of rule.checkWaiver(waiver, unused)) this.add(rule, violation);
      }
    }
  }

  /** Says why a waiver of a rule has no effect; undefined if it has one, or if the rule may not have run. */
  private whyUnused(
    { index }: Waiver,
    id: string,
    { others, isNewDatabase }: Pick<LintContext, 'others' | 'isNewDatabase'>,
  ): string | undefined {
    if (this.used.has(`${index} ${id}`) || (id.includes('/') && !others)) return undefined;
    const rule = ruleOf(id);
    if (rule?.isOptional || (rule && isNewDatabase === true && !runsOnNewDatabase(rule))) return undefined;
    const isReplaced =
      rule?.isReplaceable === true && [...this.used].some((key) => key.startsWith(`${index} `));
    if (isReplaced) return undefined;
    return unknownRule(id) ?? `no finding of ${id} is below it`;
  }

  private toFinding(
    { id, severity }: RuleOfFinding,
    violation: Violation,
    statement: Statement | undefined,
  ): Finding {
    const { source, file } = this.parsed;
    const { line, column } = source.position(violation.index);
    const docs = docsOf(id);
    return {
      rule: id,
      severity: violation.severity ?? severity,
      file: file.path,
      line,
      column,
      statement: excerpt(statement?.sql ?? ''),
      source: around(source.line(line), column - 1),
      message: violation.message,
      rewrite: violation.rewrite ?? '',
      ...(docs !== undefined && { docs }),
    };
  }
}

/** Whether a rule applies to a new and empty database, where no row can be lost and no query waits. */
export function runsOnNewDatabase(rule: Rule): boolean {
  return !('check' in rule) || rule.stopsMigration === true;
}

function covers(
  waiver: Waiver,
  rule: string,
  { index }: Violation,
  statement: Statement | undefined,
): boolean {
  if (waiver.reason === '' || !waiver.rules.includes(rule)) return false;
  if (!statement && waiver.isAtTop) return true;
  return waiver.from <= index && index < waiver.to;
}

function excerpt(sql: string): string {
  const line = sql.slice(0, 400).replaceAll(/\s+/g, ' ');
  return line.length > 100 ? `${line.slice(0, 99)}…` : line;
}

function around(line: string, before: number): Finding['source'] {
  const characters = Array.from(line);
  if (characters.length <= WIDEST) return { text: line, before };
  const from = Math.max(0, before - 40);
  const part = characters.slice(from, from + WIDEST).join('');
  const [start, end] = [from > 0 ? '…' : '', from + WIDEST < characters.length ? '…' : ''];
  return { text: `${start}${part}${end}`, before: before - from + start.length };
}

/** `-- pgkeep:allow RULE because REASON` */
export interface Waiver {
  readonly rules: readonly string[];
  /** Empty if none was given: the waiver has no effect. */
  readonly reason: string;
  readonly index: number;
  /** Where the findings are that it waives, as indexes into the text. */
  readonly from: number;
  readonly to: number;
  /** Whether it is before the first statement: it then also waives findings about the file. */
  readonly isAtTop: boolean;
}

const WAIVER_LINE = /^[ \t]*--[ \t]*pgkeep:allow\b(.*)$/gm;

const WAIVER_BODY = /^\s+([\w/-]+(?:\s*,\s*[\w/-]+)*)(?:\s+because\s+(\S.*?))?\s*$/;

/** Returns the waivers of a file. One before a statement is for the statement; one inside is for the line below it. */
function waiversOf({ text }: SourceText, statements: readonly Statement[]): Waiver[] {
  return [...text.matchAll(WAIVER_LINE)].map((match) => {
    const index = match.index + match[0].indexOf('--');
    const [, rules = '', reason = ''] = WAIVER_BODY.exec((match[1] ?? '').replace(/\r$/, '')) ?? [];
    const outer = statements.find((statement) => statement.index <= index && index < endOf(statement));
    const next = statements.find((statement) => statement.index > index);
    const behind = match.index + match[0].length + 1;
    const nextEnd = next ? endOf(next) : text.length;
    return {
      rules: rules
        .split(',')
        .map((rule) => rule.trim())
        .filter(Boolean),
      reason,
      index,
      from: outer ? behind : (next?.index ?? text.length),
      to: outer ? endOfNextLine(text, behind) : nextEnd,
      isAtTop: index <= (statements[0]?.index ?? text.length),
    };
  });
}

/** Says what is wrong with the name of a rule; undefined if there is such a rule. */
function unknownRule(name: string): string | undefined {
  if (name.startsWith('squawk/') || ruleOf(name)) return undefined;
  const nearest = closest(
    name,
    RULES.map(({ id }) => id),
  );
  return `there is no rule "${name}"; the nearest name is "${nearest}"`;
}

function endOf({ index, sql }: Statement): number {
  return index + sql.length;
}

/** Returns the end of the first line that is not a comment. */
function endOfNextLine(text: string, from: number): number {
  let index = from;
  for (;;) {
    const end = text.indexOf('\n', index);
    if (end === -1) return text.length;
    if (!/^\s*(--.*)?$/.test(text.slice(index, end))) return end;
    index = end + 1;
  }
}
