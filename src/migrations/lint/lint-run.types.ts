import type { Engine } from './engine.js';
import type { LintReport } from './lint.types.js';

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
