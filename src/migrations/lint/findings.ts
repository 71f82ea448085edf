import type { Statement } from '../sql/statements.js';
import type { Finding, LintContext, OtherFinding, Severity, WaivedFinding } from './lint.types.js';
import type { ParsedFile } from '../sql/parse-files.js';
import type { Violation } from './rule.js';
import { type FileRule, STATEMENT_RULES } from './rules/all-rules.js';
import { nameViolation, type Spellings } from './rules/migration-name.js';
import { unknownRule, type Waiver, waiversOf } from './waivers.js';

/** Longer source lines are cut around the place. */
const WIDEST = 160;

/** What is waived by nothing: it is either about the waivers, or nothing could be read. */
const NEVER_WAIVED = new Set([
  'syntax-error',
  'not-utf8',
  'no-script',
  'waiver-without-reason',
  'unused-waiver',
]);

/** The findings of one file, with their places, and less what its waivers allow. */
export class FileFindings {
  readonly findings: Finding[] = [];
  readonly waived: WaivedFinding[] = [];
  private readonly waivers: readonly Waiver[];
  private readonly used = new Set<string>();

  constructor(private readonly parsed: ParsedFile) {
    this.waivers = waiversOf(parsed.source, parsed.statements);
  }

  /** Adds what is wrong at a place; `statement` is undefined where it is about the file. */
  add(rule: string, violation: Violation, statement?: Statement): void {
    const finding = this.toFinding(rule, violation, statement);
    const waiver = NEVER_WAIVED.has(rule)
      ? undefined
      : this.waivers.find((candidate) => covers(candidate, rule, violation, statement));
    if (!waiver) this.findings.push(finding);
    else {
      this.used.add(`${waiver.index} ${rule}`);
      this.waived.push({ ...finding, reason: waiver.reason });
    }
  }

  /**
   * Findings that no statement makes.
   * @param spellings how the directories' first migrations spell their times
   */
  aboutTheFile(spellings: Spellings): void {
    const { file, source, statements, obstacles } = this.parsed;
    const add = (rule: FileRule, severity: Severity, message: string, rewrite: string, index = 0): void =>
      this.add(rule, { severity, index, message, rewrite });
    if (file.isEdited) {
      const violation: Violation = {
        severity: 'error',
        index: 0,
        message:
          'This migration was changed after it was applied: the database holds what it was, a new one will be what it is, and `prisma migrate dev` wants to reset.',
        rewrite:
          '-- Restore the file from version control, and write the change as a new migration. Where the change is harmless:\n' +
          `--   npx pgkeep migrate lint --accept-edit ${file.migration ?? 'MIGRATION'} --because "…"`,
      };
      const reason = file.editAcceptedBecause;
      if (reason === undefined) this.add('edited-after-apply', violation);
      else this.waived.push({ ...this.toFinding('edited-after-apply', violation, undefined), reason });
    }
    if (file.isStray) {
      add(
        'sql-outside-migrations',
        'error',
        'SQL outside the migrations directory: whoever runs it by hand changes the database past its history.',
        '-- Write it as a migration: `npx pgkeep migrate create NAME`; or waive this where it never touches a database that is guarded.',
      );
    }
    if (file.isJudged === false || file.isStray) return;
    const misnamed = nameViolation(file, spellings);
    if (misnamed) this.add('migration-name', misnamed);
    if (source.hasByteOrderMark) {
      add(
        'byte-order-mark',
        'error',
        'The file begins with a byte order mark: Prisma sends it along, and PostgreSQL refuses it as a syntax error.',
        '-- Save the file as UTF-8 without BOM.',
      );
    }
    for (const { rule, message, index } of obstacles) {
      const rewrite =
        rule === 'no-script' ? '-- Restore migration.sql from version control, or remove the directory.' : '';
      add(rule, rule === 'not-looked-into' ? 'info' : 'error', message, rewrite, index);
    }
    if (statements.length === 0 && obstacles.length === 0) {
      add('empty-migration', 'info', 'The file holds no statement: applying it changes nothing.', '');
    }
  }

  /** A finding of another linter's. */
  addOther({ rule, line, byte, message, help }: OtherFinding): void {
    const { source, statements } = this.parsed;
    const index = source.indexInLine(line, byte);
    const statement = statements.findLast((one) => one.index <= index) ?? statements[0];
    const rewrite = help === '' ? '' : `-- ${help}`;
    this.add(
      rule,
      { severity: 'warning', index: Math.max(index, statement?.index ?? 0), message, rewrite },
      statement,
    );
  }

  /** What is wrong with the waivers themselves; called when every other finding is in. */
  aboutWaivers({ others, isNewDatabase }: Pick<LintContext, 'others' | 'isNewDatabase'>): void {
    // Where the file could not be read, or was not judged completely, what they are for is not known.
    if (this.parsed.statements.length === 0 && this.parsed.obstacles.length > 0) return;
    for (const { rules, reason, index } of this.waivers) {
      if (reason === '') {
        this.add('waiver-without-reason', {
          severity: 'error',
          index,
          message: 'This waiver has no reason, so it waives nothing.',
          rewrite: `-- pgkeep:allow ${rules.join(', ') || 'RULE'} because …`,
        });
        continue;
      }
      for (const rule of rules) {
        if (this.used.has(`${index} ${rule}`) || (rule.includes('/') && !others)) continue;
        if (!isJudgedNow(rule, isNewDatabase === true) || this.isFolded(index, rule)) continue;
        const why = unknownRule(rule) ?? `nothing below it is found by ${rule}`;
        this.add('unused-waiver', {
          severity: 'warning',
          index,
          message: `This waiver is for nothing: ${why}.`,
          rewrite: '-- Remove it.',
        });
      }
    }
  }

  /** Whether a waiver of `cascade` is for a statement whose other finding, waived as well, says it now. */
  private isFolded(waiver: number, rule: string): boolean {
    return rule === 'cascade' && [...this.used].some((key) => key.startsWith(`${waiver} `));
  }

  private toFinding(rule: string, violation: Violation, statement: Statement | undefined): Finding {
    const { source, file } = this.parsed;
    const { line, column } = source.position(violation.index);
    return {
      rule,
      severity: violation.severity,
      file: file.path,
      line,
      column,
      statement: excerpt(statement?.sql ?? ''),
      source: around(source.line(line), column - 1),
      message: violation.message,
      rewrite: violation.rewrite ?? '',
    };
  }
}

/** Whether a rule can have found something: a new database is judged by some rules only, and has no setting. */
function isJudgedNow(rule: string, isNewDatabase: boolean): boolean {
  if (/^(no-lock-timeout|drop-index-not-concurrently|(nullable|missing)-owner)$/.test(rule)) return false;
  return !isNewDatabase || STATEMENT_RULES.every(({ id, stopsMigration }) => id !== rule || stopsMigration);
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
