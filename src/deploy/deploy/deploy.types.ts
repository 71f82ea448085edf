import type { Recording } from '../../audit-log/audit-log.types.js';
import type { ProgressListener } from '../../backup/backup.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { LintRun } from '../../migrations/lint/lint.types.js';
import type { Unenforced } from '../../postgres/catalogue/unenforced.js';

/** How migrations are deployed. */
export interface DeployOptions {
  /** Waits for another deploy to end, instead of being refused. Defaults to false. */
  readonly wait?: boolean;
  /** Makes no backup; production refuses that. Defaults to false. */
  readonly withoutBackup?: boolean;
  /** Applies a migration though later ones are applied already. Defaults to false. */
  readonly outOfOrder?: boolean;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Aborting it cancels the statement that runs: its migration is then a failed one. */
  readonly signal?: AbortSignal;
  /** Is shown the plan before anything is done. */
  readonly onPlan?: (plan: DeployPlan) => void;
  /** Is told each step: one line. */
  readonly onStep?: (line: string) => void;
  readonly onBackupProgress?: ProgressListener;
}

/** A migration that is to be applied. */
export interface PlannedMigration {
  readonly name: string;
  /** Its `migration.sql`, relative to the working directory. */
  readonly file: string;
  readonly sql: string;
  readonly statements: number;
  /** Whether it is run as one transaction: PostgreSQL may still refuse one of its statements there, and then it is not. */
  readonly isAtomic: boolean;
}

/** A table that the migrations name, as it is now. */
export interface PlannedTable {
  /** schema.table, unquoted. */
  readonly name: string;
  /** The planner's estimate. */
  readonly rows: number;
  /** Of the heap, without indexes. */
  readonly bytes: number;
}

/** What a deploy would do. */
export interface DeployPlan {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** In the order in which they are applied; empty where there is nothing to do. */
  readonly migrations: readonly PlannedMigration[];
  /** Those that are there already. */
  readonly tables: readonly PlannedTable[];
  /** Those of `PROTECTED_TABLES` that are there, schema.table, unquoted: they may not have fewer rows afterwards. */
  readonly protectedTables: readonly string[];
  /** Null where there is nothing to judge. */
  readonly lint: LintRun | null;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** What is worth knowing and stops nothing. */
  readonly notes: readonly string[];
}

/** A table that has fewer rows than before. */
export interface ShrunkTable {
  readonly name: string;
  readonly before: number;
  /** Null: the table is gone. */
  readonly after: number | null;
}

/** A protected table that has fewer rows than before. */
export interface LostRows extends ShrunkTable {
  /** Why it could not be counted again. */
  readonly notCounted?: string;
}

/** What `pgkeep migrate deploy` answers. */
export interface DeployReport extends Recording {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** Names, in order; empty where there was nothing to do. */
  readonly applied: readonly string[];
  /** The backup from before; null where none was made. */
  readonly backup: string | null;
  readonly shrunk: readonly ShrunkTable[];
  /** Tables with rows that were too large to be counted in time. */
  readonly notCounted: readonly string[];
  /** How often a migration was tried again because it did not get its lock. */
  readonly retries: number;
  /** Objects that were there already, and are not what a statement with `IF NOT EXISTS` or `IF EXISTS` says. */
  readonly found: readonly string[];
  /** What the deploy left that PostgreSQL does not enforce or use. */
  readonly unenforced: readonly Unenforced[];
  /** Objects that had been changed outside of migrations before, and still are: `pgkeep migrate drift`. */
  readonly drifted: number;
  /** Why the structure was not recorded, so that drift from here on is not seen; absent where it was. */
  readonly notFingerprinted?: string;
  readonly durationMs: number;
  readonly notes: readonly string[];
}
