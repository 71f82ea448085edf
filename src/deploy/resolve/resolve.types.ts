import type { Recording } from '../../audit-log/audit-log.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { Mark } from '../../migrations/schema-engine.js';
import type { Traced } from '../../migrations/traces/traces-of.js';

/** Which migration is marked, and how. */
export interface ResolveOptions {
  readonly migration: string;
  readonly mark: Mark;
  /** Marks it even if the database contradicts that. Defaults to false */
  readonly anyway?: boolean;
  /** Who the audit log names. Defaults to the operator, `user@host` */
  readonly actor?: string;
  readonly signal?: AbortSignal;
  /** Called with the state before anything is done. */
  readonly onState?: (state: MigrationState) => void;
}

/** The state of a migration in the history and the database. */
export interface MigrationState extends Traced {
  readonly migration: string;
  /**
   * - `failed`: started, and did not finish
   * - `rolled back`, and not applied since
   * - `unknown`: applied, but not in this directory
   * - `pending`: never started
   * - `applied`
   */
  readonly state: 'failed' | 'rolled back' | 'unknown' | 'pending' | 'applied';
  /** When its last attempt started, in UTC; null if there was none. */
  readonly started: string | null;
  /** The first line of PostgreSQL's error; null if none was recorded. */
  readonly said: string | null;
  /** Whether its `migration.sql` exists. */
  readonly isHere: boolean;
  /** What ran the failed attempt, and how; null if none failed. */
  readonly ran: RanBy | null;
  /** Statements that pgkeep recorded as applied: `line 2: UPDATE "purse" SET …`. */
  readonly applied: readonly string[];
  /** Statements that leave no object to look for: they may have been applied. */
  readonly uncertain: readonly string[];
  /** Statements that were not applied, if pgkeep ran it statement by statement. */
  readonly notApplied: readonly string[];
  /** Statements that leave no object and follow one whose object is missing: not run, unless that was dropped by hand. */
  readonly assumedNotRun: readonly string[];
  /** Its invalid indexes, quoted where SQL needs it. */
  readonly invalid: readonly string[];
  /** The options. */
  readonly choices: readonly Choice[];
}

/** What ran an attempt, and how. */
export type RanBy =
  | { readonly by: 'something else' }
  | { readonly by: 'pgkeep'; readonly as: 'transaction' | 'query' }
  | {
      readonly by: 'pgkeep';
      readonly as: 'statements';
      readonly statements: number;
      readonly applied: number;
      /** Whether the file is still the one that was run. */
      readonly isSameFile: boolean;
    };

/** A command, and when it is the right one. */
export interface Choice {
  readonly command: string;
  readonly when: string;
}

/** What `pgkeep migrate resolve` reports without arguments. */
export interface ResolveExplanation {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** Migrations that are failed, rolled back or unknown; empty if none needs resolving. */
  readonly migrations: readonly MigrationState[];
}

/** What it reports after marking one. */
export interface ResolveReport extends Recording {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly migration: string;
  readonly mark: Mark;
  /** What exists of it in the database. */
  readonly before: MigrationState;
}
