import type { Node } from 'libpg-query';
import { counted, formatBytes } from '../../core/text.js';
import { type ParsedFile, parseFiles } from '../sql/parse-files.js';
import type { Statement } from '../sql/statements.js';
import { lastName, objectName, type TableName } from '../sql/syntax-tree.js';
import { type Engine, type Transactions, transactionsOf } from './engine.js';
import { FileFindings, runsOnNewDatabase } from './findings.js';
import {
  type Finding,
  type LintContext,
  type LintFile,
  type LintReport,
  SEVERITIES,
  type Severity,
  type TableSize,
} from './lint.types.js';
import type { NewEnumValue, RuleContext } from './rule.js';
import { rulesFor } from './rules/all-rules.js';
import { addsAndUsesEnumValue } from './rules/enum-value-in-use.js';
import { lockedTables } from './rules/held-locks.js';
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
function toReport(report: Omit<LintReport, 'counts'>): LintReport {
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

const OWNER_COLUMNS = ['owner_id', 'ownerId'];

/** From this size on, a scan under a lock is noticed: 10,000 rows or 10 MB take some hundredths of a second. */
const LARGE = { rows: 10_000, bytes: 10 * 1024 * 1024 };

/** Migrations of one day reach production together: a table of the first is empty when the others run. */
const SAME_RELEASE_MS = 24 * 60 * 60 * 1000;

/** What is known while one file is checked; `learn` records what changes from statement to statement. */
class FileContext implements RuleContext {
  readonly file: LintFile;
  readonly statements: readonly Statement[];
  readonly engine: Engine;
  readonly ownerColumns: readonly string[];
  readonly ownerIsDeclared: boolean;
  lockTimeoutIsSet: boolean;
  readonly newEnumValues = new Map<string, NewEnumValue>();
  readonly locking: Statement[] = [];
  private readonly flat: readonly Statement[];
  private readonly transactions: Transactions;

  constructor(
    { file, statements, flat }: ParsedFile,
    readonly schema: SchemaMemory,
    private readonly pendingFiles: ReadonlySet<string>,
    private readonly known: LintContext,
  ) {
    this.file = file;
    this.statements = statements;
    this.flat = flat;
    this.engine = known.engine ?? 'pgkeep';
    this.transactions = transactionsOf(statements, this.engine, addsAndUsesEnumValue(flat));
    this.ownerColumns = known.ownerColumns ?? OWNER_COLUMNS;
    this.ownerIsDeclared = known.ownerColumns !== undefined;
    this.lockTimeoutIsSet = this.engine === 'pgkeep';
  }

  /** Records what one statement of the file does. */
  learn(statement: Statement): void {
    if (lockedTables(statement.node).length > 0) this.locking.push(statement);
    const added = addedEnumValue(statement.node);
    if (added) this.newEnumValues.set(added.value, { type: added.type, addedBy: statement });
  }

  after(statement: Statement): readonly Statement[] {
    return this.flat.slice(this.flat.indexOf(statement) + 1);
  }

  shareTransaction(one: Statement, other: Statement): boolean {
    return this.transactions.get(one.block ?? one) === this.transactions.get(other.block ?? other);
  }

  isNew(table: TableName): boolean {
    const createdIn = this.schema.table(table)?.createdIn;
    if (createdIn === undefined) return this.isAbsent(table);
    // CREATE TABLE IF NOT EXISTS of an existing table.
    if (this.file.isPending === true && this.sizeOf(table)) return false;
    return this.isOfThisPlan(createdIn);
  }

  isNewColumn(table: TableName, column: string): boolean {
    if (this.isNew(table)) return true;
    const createdIn = this.schema.table(table)?.columns.get(column)?.createdIn;
    return createdIn !== undefined && this.isOfThisPlan(createdIn);
  }

  mayHoldRows(table: TableName): boolean {
    const known = this.schema.table(table);
    if (this.isNew(table) || (!this.known.sizes && this.isOfThisRelease(table)))
      return known?.isFilled === true;
    return known?.emptiedIn !== this.file.path && !this.isKnownEmpty(table);
  }

  isKnownEmpty(table: TableName): boolean {
    return this.sizeOf(table)?.bytes === 0;
  }

  isLarge(table: TableName): boolean {
    if (this.isNew(table) || this.schema.table(table)?.emptiedIn === this.file.path) return false;
    const size = this.sizeOf(table);
    if (size === undefined) return !this.isOfThisRelease(table);
    return size.rows >= LARGE.rows || size.bytes >= LARGE.bytes;
  }

  sizeText(table: TableName): string {
    if (this.isNew(table)) return 'created and filled by these migrations';
    const size = this.sizeOf(table);
    if (size === undefined) return 'size unknown, assumed to be large';
    return `about ${counted(Math.round(size.rows), 'row')}, ${formatBytes(size.bytes)}`;
  }

  private isOfThisPlan(path: string): boolean {
    return path === this.file.path || (this.file.isPending === true && this.pendingFiles.has(path));
  }

  /** Returns whether, by the names of the migrations, the table was created within a day before this file. */
  private isOfThisRelease(table: TableName): boolean {
    const made = timeOf(this.schema.table(table)?.createdIn);
    const now = timeOf(this.file.path);
    return made !== undefined && now !== undefined && now - made >= 0 && now - made < SAME_RELEASE_MS;
  }

  /** Returns whether the database is known not to have the table. */
  private isAbsent(table: TableName): boolean {
    return this.known.sizes?.get(this.schema.key(table)) === null;
  }

  private sizeOf(table: TableName): TableSize | undefined {
    return this.known.sizes?.get(this.schema.key(table)) ?? undefined;
  }
}

/** Returns the value that a statement adds to an enum; one that is only renamed can be used immediately. */
function addedEnumValue(node: Node): { value: string; type: TableName } | undefined {
  if (!('AlterEnumStmt' in node)) return undefined;
  const { newVal, oldVal, typeName } = node.AlterEnumStmt;
  if (newVal === undefined || oldVal !== undefined) return undefined;
  return { value: newVal, type: objectName({ List: { items: typeName ?? [] } }) };
}

/** Returns the time that the name of a migration's directory begins with. */
function timeOf(file: string | undefined): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /(?:^|[\\/])(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)_?[^\\/]*[\\/][^\\/]*$/.exec(file ?? '') ?? [];
  if (year === undefined) return undefined;
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
}
