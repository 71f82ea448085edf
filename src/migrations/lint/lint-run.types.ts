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
  /** Whether whoever applies the migrations sets `lock_timeout`. Defaults to false. */
  readonly lockTimeoutIsSet?: boolean;
}

/** What was judged, and on which knowledge. */
export interface LintRun extends LintReport {
  /** `pending`: what the database has yet to apply. `all`: the directory. */
  readonly scope: 'pending' | 'all' | 'named' | 'changed';
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
