import type { Node } from 'libpg-query';
import type { TableName } from './ast.js';
import type { LintFile, Severity } from './lint.types.js';
import type { SchemaMemory } from './schema-memory.js';

/** A statement of a file, or of a `DO` block in it. */
export interface Statement {
  readonly node: Node;
  /** Without comments before it and the semicolon behind it. */
  readonly sql: string;
  /** Where it begins in the file's text. */
  readonly index: number;
  /** The place in the file's text that a location of the parser's names. */
  readonly indexOf: (location: number | undefined) => number;
}

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

/** What is known when a statement is reached. */
export interface RuleContext {
  readonly file: LintFile;
  /** How many statements the file has: Prisma sends them as one query, so several are one transaction. */
  readonly statementCount: number;
  /** Whether `lock_timeout` is set at this point. */
  readonly lockTimeoutIsSet: boolean;
  readonly schema: SchemaMemory;
  /** What this file has added to enums so far: the value, and the name of its enum. */
  readonly newEnumValues: ReadonlyMap<string, TableName>;
  readonly ownerColumns: readonly string[];
  readonly ownerIsDeclared: boolean;
  /** Made by a migration that the database has not applied either, or by this very file: nobody uses it yet. */
  isNew(table: TableName): boolean;
  /** Whether it may hold a row. */
  mayHoldRows(table: TableName): boolean;
  /** Whether a scan, a rewrite or an index build of it takes long enough to be noticed. */
  isLarge(table: TableName): boolean;
  /** `about 12,000 rows, 3.1 MB`, or that nobody knows. */
  sizeText(table: TableName): string;
}

/** One thing that goes wrong with migrations. Pure: a statement and what is known, then what is wrong with it. */
export interface Rule {
  /** Stable, kebab-case: waivers and baselines name it. */
  readonly id: string;
  /** The kinds of statements it is asked about. */
  readonly on: readonly StatementKind[];
  /** Whether what it finds holds a lock for as long as a large table takes. */
  readonly holdsLock?: true;
  readonly check: (statement: Statement, context: RuleContext) => readonly Violation[];
}
