import type { AlterTableType, Node } from 'libpg-query';
import type { ParsedFile } from '../sql/parse-files.js';
import type { Statement } from '../sql/statements.js';
import type { TableName } from '../sql/syntax-tree.js';
import type { Engine } from './engine.js';
import type { Waiver } from './findings.js';
import type { LintFile, Severity } from './lint.types.js';
import type { Spellings } from './rules/migration-name.js';
import type { SchemaMemory } from './schema-memory.js';

type KindsOf<Kind> = Kind extends Node ? keyof Kind : never;

/** A kind of statement, by the parser's name. */
export type StatementKind = KindsOf<Node>;

/** What a rule checks: a kind of statement, or one command of ALTER TABLE. `AlterTableStmt` is every one of them. */
export type Command = StatementKind | AlterTableType;

/** One place that breaks a rule. */
export interface Violation {
  /** Index into the file's text. */
  readonly index: number;
  /** What breaks, with the names of the file. */
  readonly message: string;
  /** What to write instead; absent if nothing can be written for the author. */
  readonly rewrite?: string;
  /** If it differs from the rule's. */
  readonly severity?: Severity;
  /** Why it is accepted although no waiver covers it. */
  readonly acceptedBecause?: string;
}

/** A value that a file adds to an enum. */
export interface NewEnumValue {
  readonly type: TableName;
  /** The statement that adds it. */
  readonly addedBy: Statement;
}

/** What is known when a statement is reached. */
export interface RuleContext {
  readonly file: LintFile;
  /** The statements as they are in the file. */
  readonly statements: readonly Statement[];
  /** The program that applies the file. */
  readonly engine: Engine;
  /** Whether `lock_timeout` is set at this point. */
  readonly lockTimeoutIsSet: boolean;
  readonly schema: SchemaMemory;
  /** The values that this file has added to enums so far. */
  readonly newEnumValues: ReadonlyMap<string, NewEnumValue>;
  readonly ownerColumns: readonly string[];
  readonly ownerIsDeclared: boolean;
  /** The statements of the file so far that block the reads or writes of a table. */
  readonly locking: readonly Statement[];
  /** Returns the statements after a statement, those of `DO` blocks included. */
  after(statement: Statement): readonly Statement[];
  /** Returns whether PostgreSQL runs both statements in one transaction. */
  shareTransaction(one: Statement, other: Statement): boolean;
  /**
   * Returns whether nothing uses the table yet: this file or another pending migration creates it, or the database does
   * not have it.
   */
  isNew(table: TableName): boolean;
  /** Returns whether nothing uses the column yet: it or its table is new. */
  isNewColumn(table: TableName, column: string): boolean;
  /** Returns whether the table may have a row when the statement runs. */
  mayHoldRows(table: TableName): boolean;
  /** Returns whether the table is known to be empty in the database. */
  isKnownEmpty(table: TableName): boolean;
  /** Returns whether a scan, a rewrite or an index build of the table takes long enough to be noticed. */
  isLarge(table: TableName): boolean;
  /** Returns `about 12,000 rows, 3.1 MB`, or that the size is unknown. */
  sizeText(table: TableName): string;
}

/**
 * Everything about a rule except its findings. The documentation, SARIF and the use of waivers derive from this. The
 * texts are Markdown, one paragraph each; `summary` is plain text.
 */
export interface RuleDeclaration {
  /** Stable, kebab-case: waivers and links name it. */
  readonly id: string;
  /** The usual severity of its findings. */
  readonly severity: Severity;
  /** When a finding has another severity: "a warning if …". */
  readonly otherwise?: string;
  /** What it finds, in one line. */
  readonly summary: string;
  /** What it finds and what it accepts, if the summary does not say it all. */
  readonly details?: string;
  readonly breaks: string;
  readonly instead: string;
  /** What it checks; absent for a rule about files. */
  readonly on?: readonly Command[];
  /** Whether it is about tables that are large or of unknown size only. */
  readonly largeTablesOnly?: true;
  /** Whether what it finds prevents a migration from being applied, even to a new and empty database. */
  readonly stopsMigration?: true;
  /** Whether a setting, or the program that applies the file, decides if it runs. A waiver may then be unused. */
  readonly isOptional?: true;
  /** Whether another finding of the same statement may replace it. A waiver may then be unused. */
  readonly isReplaceable?: true;
  /** Whether no waiver can allow it. */
  readonly cannotBeWaived?: true;
}

/** A rule about single statements. Pure: a statement and what is known in, violations out. */
export interface StatementRule extends RuleDeclaration {
  readonly on: readonly Command[];
  /** Whether its first finding in a file is enough: one fix serves for all. */
  readonly oncePerFile?: true;
  readonly check: (statement: Statement, context: RuleContext) => readonly Violation[];
}

/** A rule about a file. Pure. */
export interface FileRule extends RuleDeclaration {
  /** Whether it is also about files that are only read for their history. */
  readonly everyFile?: true;
  /** @param spellings how the first migration of each directory spells its time */
  readonly checkFile: (file: ParsedFile, spellings: Spellings) => readonly Violation[];
}

/** A rule about the waivers of a file. Pure. */
export interface WaiverRule extends RuleDeclaration {
  /** @param unused for each rule that the waiver names for nothing, why */
  readonly checkWaiver: (waiver: Waiver, unused: readonly string[]) => readonly Violation[];
}

export type Rule = StatementRule | FileRule | WaiverRule;
