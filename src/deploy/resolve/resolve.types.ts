import type { Recording } from '../../audit-log/audit-log.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { Mark } from '../../migrations/engine/schema-engine.js';
import type { Traced } from '../../migrations/traces/trace.js';

/** What is to be marked, and how. */
export interface ResolveOptions {
  readonly migration: string;
  readonly mark: Mark;
  /** Marks it though what is in the database says otherwise. Defaults to false. */
  readonly anyway?: boolean;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  readonly signal?: AbortSignal;
  /** Is shown what there is, before anything is done. */
  readonly onState?: (state: MigrationState) => void;
}

/** A migration as the history and the database have it. */
export interface MigrationState extends Traced {
  readonly migration: string;
  /**
   * - `failed`: began, and did not end
   * - `rolled back`, and not applied since
   * - `unknown`: applied, and not in this directory
   * - `pending`: never begun
   * - `applied`
   */
  readonly state: 'failed' | 'rolled back' | 'unknown' | 'pending' | 'applied';
  /** When its last attempt began, in UTC; null where there was none. */
  readonly started: string | null;
  /** The first line of what PostgreSQL said of it; null where nobody wrote it down. */
  readonly said: string | null;
  /** Whether its `migration.sql` is here. */
  readonly isHere: boolean;
  /** Who ran the attempt that failed, and how; null where none did. */
  readonly ran: RanBy | null;
  /** Statements that pgkeep recorded as applied: `line 2: UPDATE "purse" SET …`. */
  readonly applied: readonly string[];
  /** Statements that leave nothing to be looked for: they may have been applied. */
  readonly uncertain: readonly string[];
  /** Statements that were not applied, where pgkeep ran it statement by statement. */
  readonly notApplied: readonly string[];
  /** Indexes of it that are there and not valid, quoted where SQL needs it. */
  readonly invalid: readonly string[];
  /** What to choose from. */
  readonly choices: readonly Choice[];
}

/** Who ran an attempt, and how. */
export type RanBy =
  | { readonly by: 'something else' }
  | { readonly by: 'pgkeep'; readonly as: 'transaction' | 'query' }
  | {
      readonly by: 'pgkeep';
      readonly as: 'statements';
      readonly statements: number;
      readonly applied: number;
      /** Whether the file still is the one that was run. */
      readonly isSameFile: boolean;
    };

/** A command, and when it is the right one. */
export interface Choice {
  readonly command: string;
  readonly when: string;
}

/** What `pgkeep migrate resolve` answers without arguments. */
export interface ResolveExplanation {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** Migrations that are failed, rolled back or unknown; empty where all is settled. */
  readonly migrations: readonly MigrationState[];
}

/** What it answers when it marked one. */
export interface ResolveReport extends Recording {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly migration: string;
  readonly mark: Mark;
  /** What of it is in the database. */
  readonly before: MigrationState;
}
