import type { Node } from 'libpg-query';
import type { Statement } from '../sql/statements.js';
import type { TableName } from '../sql/syntax-tree.js';
import type { Engine } from './engine.js';
import type { LintFile, Severity } from './lint.types.js';
import type { SchemaMemory } from './schema-memory.js';

type KindsOf<Kind> = Kind extends Node ? keyof Kind : never;

/** A kind of statement, by the parser's name. */
export type StatementKind = KindsOf<Node>;

/** What a rule has against a statement. */
export interface Violation {
  readonly severity: Severity;
  /** Index into the file's text. */
  readonly index: number;
  readonly message: string;
  readonly rewrite?: string;
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
  /** The statements as they stand in the file. */
  readonly statements: readonly Statement[];
  /** What applies the file. */
  readonly engine: Engine;
  /** Whether `lock_timeout` is set at this point. */
  readonly lockTimeoutIsSet: boolean;
  readonly schema: SchemaMemory;
  /** What this file has added to enums so far, by the value. */
  readonly newEnumValues: ReadonlyMap<string, NewEnumValue>;
  readonly ownerColumns: readonly string[];
  readonly ownerIsDeclared: boolean;
  /** The statements of the file so far that lock a table against reading or writing. */
  readonly locking: readonly Statement[];
  /** What the file runs behind a statement, `DO` blocks opened. */
  after(statement: Statement): readonly Statement[];
  /** Whether PostgreSQL runs both statements in one transaction. */
  shareTransaction(one: Statement, other: Statement): boolean;
  /**
   * Whether nothing uses the table yet: this file made it, or a migration that the database has not applied either, or
   * the database has no such table.
   */
  isNew(table: TableName): boolean;
  /** The same of a column: of a new table, or a new one of an old table. */
  isNewColumn(table: TableName, column: string): boolean;
  /** Whether it may hold a row when the statement runs. */
  mayHoldRows(table: TableName): boolean;
  /** Whether the database was asked, and the table holds no row there. */
  isKnownEmpty(table: TableName): boolean;
  /** Whether a scan, a rewrite or an index build of it takes long enough to be noticed. */
  isLarge(table: TableName): boolean;
  /** `about 12,000 rows, 3.1 MB`, or that it is not known. */
  sizeText(table: TableName): string;
}

/** One thing that goes wrong with migrations. Pure: a statement and what is known, then what is wrong with it. */
export interface Rule {
  /** Stable, kebab-case: waivers and baselines name it. */
  readonly id: string;
  /** The kinds of statements it is asked about. */
  readonly on: readonly StatementKind[];
  /** Whether its first finding in a file is enough: one remedy serves for all. */
  readonly oncePerFile?: true;
  /** Whether what it finds keeps a migration from being applied, to a new and empty database too. */
  readonly stopsMigration?: true;
  readonly check: (statement: Statement, context: RuleContext) => readonly Violation[];
}
