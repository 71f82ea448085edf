import type { Engine } from './engine.js';

/** Which migrations are checked, and how. */
export interface LintOptions {
  /** Files and directories. Defaults to pending migrations, or to all without a database. */
  readonly paths?: readonly string[];
  /** Whether to check every migration of the directory, also applied ones. */
  readonly all?: boolean;
  /** Checks the SQL files that the branch changes, compared with this git reference. */
  readonly changedSince?: string;
  /** Whether to run squawk as well, if it is installed. Defaults to true. */
  readonly squawk?: boolean;
  /** The program that will apply the migrations. Defaults to pgkeep. */
  readonly engine?: Engine;
}

/** What was checked, and what was known. */
export interface LintRun extends LintReport {
  /** `pending`: what the database has not applied yet. `all`: the directory. */
  readonly scope: 'pending' | 'all' | 'named' | 'changed';
  /** The program that the findings assume. */
  readonly engine: Engine;
  /** Whether the database is new and empty: only what prevents a migration from being applied is checked. */
  readonly isNewDatabase: boolean;
  /** How many migrations are unchanged since the baseline, and not checked. */
  readonly baselined: number;
  /** Whether table sizes are from the database, or why not; `fault`: why the pending migrations are unknown. */
  readonly database:
    { readonly asked: true; readonly fault?: string } | { readonly asked: false; readonly why: string };
  /** Whether squawk was run as well. */
  readonly withSquawk: boolean;
}

export interface BaselineReport {
  readonly file: string;
  /** How many migrations it lists. */
  readonly migrations: number;
}

/** A change of an applied migration that was accepted. */
export interface AcceptedEditReport {
  /** The baseline, which records it. */
  readonly file: string;
  readonly migration: string;
  readonly because: string;
}

/** `error` fails the run: rows lost, a migration that fails, or an application that stops. */
export const SEVERITIES = ['error', 'warning', 'info'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One SQL file. */
export interface LintFile {
  /** As it is shown to users. */
  readonly path: string;
  /** Its bytes, or its text; null if the migration's directory has no such file. */
  readonly content: Uint8Array | string | null;
  /** The migration that it belongs to; undefined for any other file. */
  readonly migration?: string;
  /** Whether it is checked; false for one that is only read for what it does to tables. Defaults to true. */
  readonly isJudged?: boolean;
  /** Whether the database has not applied it yet. Undefined without a database. */
  readonly isPending?: boolean;
  /** Whether it was changed after it was applied, in more than its comments. Defaults to false. */
  readonly isEdited?: boolean;
  /** Why that change was accepted; absent if it was not. */
  readonly editAcceptedBecause?: string;
  /** Whether it is a changed file outside the migrations directory. Defaults to false. */
  readonly isStray?: boolean;
}

/** The size of a table in the live database. */
export interface TableSize {
  /** The planner's estimate. */
  readonly rows: number;
  /** Of the heap, without indexes; 0 only if the table is empty. */
  readonly bytes: number;
}

/** What is known besides the files. */
export interface LintContext {
  /**
   * Sizes by `schema.table`, unquoted, of the tables that the files name: null if the database has no such table. A
   * table that is not in the map is assumed to be large, and so is every table without a database.
   */
  readonly sizes?: ReadonlyMap<string, TableSize | null>;
  /** Schema of an unqualified name. Defaults to public. */
  readonly defaultSchema?: string;
  /**
   * Columns that name the owner of a row. If they are given, every new table must have one. Defaults to owner_id and
   * ownerId, which are not required.
   */
  readonly ownerColumns?: readonly string[];
  /** The program that applies the files. Defaults to pgkeep, whose deploy sets `lock_timeout`. */
  readonly engine?: Engine;
  /** Whether the database has no table and no history, so that no row can be lost and no query waits. */
  readonly isNewDatabase?: boolean;
  /** The findings of another linter by the paths of the files; waivers apply to these as well. */
  readonly others?: ReadonlyMap<string, readonly OtherFinding[]>;
}

/** A finding of another linter. */
export interface OtherFinding {
  /** With the linter's name before it: `squawk/ban-char-field`. */
  readonly rule: string;
  /** Counted from 1. */
  readonly line: number;
  /** Of the line's UTF-8, counted from 0. */
  readonly byte: number;
  readonly message: string;
  /** Its advice; may be empty. */
  readonly help: string;
}

/** What is wrong at one place. */
export interface Finding {
  /** The rule's stable name, kebab-case. */
  readonly rule: string;
  readonly severity: Severity;
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1, in characters (code points). */
  readonly column: number;
  /** The beginning of the statement, on one line; empty if the finding is about the file. */
  readonly statement: string;
  /** The source line, or the part of a long one around the place; and how many characters are before the place. */
  readonly source: { readonly text: string; readonly before: number };
  /** What breaks. */
  readonly message: string;
  /** What to write instead; empty if nothing can be written for the author. */
  readonly rewrite: string;
  /** The section about the rule, from the root of the package; absent for a rule of another linter. */
  readonly docs?: string;
}

/** A finding that is allowed, and why. */
export interface WaivedFinding extends Finding {
  readonly reason: string;
}

/** What the lint found. */
export interface LintReport {
  /** How many files were checked, without those that were only read for their history. */
  readonly files: number;
  readonly statements: number;
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  readonly counts: Readonly<Record<Severity, number>>;
}
