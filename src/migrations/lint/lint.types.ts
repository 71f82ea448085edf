import type { Engine } from './engine.js';

/** Which migrations are judged. */
export interface LintOptions {
  /** Files and directories; empty leaves the choice: what is pending, or all where no database says. */
  readonly paths?: readonly string[];
  /** Judge every migration of the directory, applied ones too. */
  readonly all?: boolean;
  /** Judge what a change brings, since it left this git reference. */
  readonly changedSince?: string;
  /** Whether squawk is asked as well, where it is installed. Defaults to true. */
  readonly squawk?: boolean;
  /** What will apply the migrations. Defaults to pgkeep. */
  readonly engine?: Engine;
}

/** What was judged, and on which knowledge. */
export interface LintRun extends LintReport {
  /** `pending`: what the database has yet to apply. `all`: the directory. */
  readonly scope: 'pending' | 'all' | 'named' | 'changed';
  /** What the findings expect to apply the migrations. */
  readonly engine: Engine;
  /** Whether the database is new and empty: only what keeps a migration from being applied is judged. */
  readonly isNewDatabase: boolean;
  /** Migrations that the baseline lists, unchanged: not judged. */
  readonly baselined: number;
  /** Whether the database told the tables' sizes; `fault`: why it could not tell what is pending. */
  readonly database:
    { readonly asked: true; readonly fault?: string } | { readonly asked: false; readonly why: string };
  /** Whether squawk was asked: it is installed, and nobody said no. */
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
  /** As it is shown to people. */
  readonly path: string;
  /** Its bytes, or its text; null where the migration's directory has no such file. */
  readonly content: Uint8Array | string | null;
  /** The migration it belongs to; undefined for a file that is none. */
  readonly migration?: string;
  /** False for one that is only read for what it says about tables. Defaults to true. */
  readonly isJudged?: boolean;
  /** Whether the database has yet to apply it. Undefined where no database was asked. */
  readonly isPending?: boolean;
  /** Whether it was changed after it was applied, in more than its comments. Defaults to false. */
  readonly isEdited?: boolean;
  /** Why that change was accepted; absent where it was not. */
  readonly editAcceptedBecause?: string;
  /** Whether it lies outside the migrations directory, though the change brings it. Defaults to false. */
  readonly isStray?: boolean;
}

/** What a table measures in the live database. */
export interface TableSize {
  /** The planner's estimate. */
  readonly rows: number;
  /** Of the heap, without indexes; 0 only where the table is empty. */
  readonly bytes: number;
}

/** What is known beside the files. */
export interface LintContext {
  /**
   * Sizes by `schema.table`, unquoted, of the tables that the judged files name: null where the database has no table
   * of that name. A table that is not in it, and any without a database, is taken for large.
   */
  readonly sizes?: ReadonlyMap<string, TableSize | null>;
  /** Schema of an unqualified name. Defaults to public. */
  readonly defaultSchema?: string;
  /**
   * Columns that name a row's owner. Where they are given, every new table must have one; by default they are
   * owner_id and ownerId, and a table without is remarked on only where another table has one.
   */
  readonly ownerColumns?: readonly string[];
  /** What applies the files. Defaults to pgkeep, whose deploy sets `lock_timeout`. */
  readonly engine?: Engine;
  /** Whether the database holds no table and no history: there are no rows and no application to be careful of. */
  readonly isNewDatabase?: boolean;
  /** What another linter found, by the files' paths; waivers are for these, too. */
  readonly others?: ReadonlyMap<string, readonly OtherFinding[]>;
}

/** A finding of another linter's. */
export interface OtherFinding {
  /** With the linter's name before it: `squawk/ban-char-field`. */
  readonly rule: string;
  /** Counted from 1. */
  readonly line: number;
  /** Of the line's UTF-8, counted from 0. */
  readonly byte: number;
  readonly message: string;
  /** What it advises; empty where it advises nothing. */
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
  /** The statement's beginning, on one line; empty where the finding is about the file. */
  readonly statement: string;
  /** The source line, or the part of a long one around the place; and how many characters stand before the place. */
  readonly source: { readonly text: string; readonly before: number };
  /** What breaks. */
  readonly message: string;
  /** What to write instead; empty if nothing can be written for the author. */
  readonly rewrite: string;
  /** The section about the rule, from the root of the package; absent for a rule of another linter. */
  readonly docs?: string;
}

/** A finding that somebody allowed. */
export interface WaivedFinding extends Finding {
  readonly reason: string;
}

/** What the lint found. */
export interface LintReport {
  /** Judged files; those that were only read for their history are not counted. */
  readonly files: number;
  readonly statements: number;
  readonly findings: readonly Finding[];
  readonly waived: readonly WaivedFinding[];
  readonly counts: Readonly<Record<Severity, number>>;
}
