import type { Recording } from '../../audit-log/audit-log.types.js';
import type { ProgressListener } from '../../backup/backup.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { LintRun } from '../../migrations/lint/lint.types.js';
import type { PolicyOutcome } from '../../policy/policy.types.js';
import type { Unenforced } from '../../postgres/catalogue/unenforced.js';

/** How migrations are deployed. */
export interface DeployOptions {
  /** Waits for a running deploy instead of refusing. Defaults to false */
  readonly wait?: boolean;
  /** Skips the backup; refused in production. Defaults to false */
  readonly withoutBackup?: boolean;
  /** Applies a migration although later ones are already applied. Defaults to false */
  readonly outOfOrder?: boolean;
  /** Who the audit log names. Defaults to the operator, `user@host` */
  readonly actor?: string;
  /** Aborting it cancels the running statement: its migration has then failed. */
  readonly signal?: AbortSignal;
  /** Called with the plan before anything is done. */
  readonly onPlan?: (plan: DeployPlan) => void;
  /** Called with one line for each step. */
  readonly onStep?: (line: string) => void;
  readonly onBackupProgress?: ProgressListener;
}

/** A pending migration. */
export interface PlannedMigration {
  readonly name: string;
  /** Its `migration.sql`, relative to the working directory. */
  readonly file: string;
  readonly sql: string;
  readonly statements: number;
  /** Whether it will run as one transaction, unless PostgreSQL refuses one of its statements there. */
  readonly isAtomic: boolean;
}

/** A table that the migrations name, and its current size. */
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
  /** In the order in which they are applied; empty if there is nothing to do. */
  readonly migrations: readonly PlannedMigration[];
  /** Existing tables only. */
  readonly tables: readonly PlannedTable[];
  /** The existing `PROTECTED_TABLES`, as schema.table, unquoted: they must not have fewer rows afterwards. */
  readonly protectedTables: readonly string[];
  /** Null if there is nothing to lint. */
  readonly lint: LintRun | null;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Remarks that stop nothing. */
  readonly notes: readonly string[];
}

/** A table that has fewer rows than before. */
export interface ShrunkTable {
  readonly name: string;
  readonly before: number;
  /** Null: the table no longer exists. */
  readonly after: number | null;
}

/** A protected table that has fewer rows than before. */
export interface LostRows extends ShrunkTable {
  /** Why it could not be counted again. */
  readonly notCounted?: string;
}

/** What `pgkeep migrate deploy` reports. */
export interface DeployReport extends Recording {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** Names, in order; empty if there was nothing to do. */
  readonly applied: readonly string[];
  /** The backup made before; null if none was made. */
  readonly backup: string | null;
  readonly shrunk: readonly ShrunkTable[];
  /** Tables with rows that could not be counted in time. */
  readonly notCounted: readonly string[];
  /** Number of retries for a lock. */
  readonly retries: number;
  /** Objects that already existed and differ from what a statement with `IF NOT EXISTS` or `IF EXISTS` declares. */
  readonly found: readonly string[];
  /** What the deploy left that PostgreSQL does not enforce or use. */
  readonly unenforced: readonly Unenforced[];
  /** Whether the rules for rows were applied; absent if none is declared. */
  readonly policy?: PolicyOutcome;
  /** Number of objects that differ because of earlier manual changes: `pgkeep migrate drift`. */
  readonly drifted: number;
  /** Why the structure was not recorded, so that drift will not be detected; absent if it was. */
  readonly notFingerprinted?: string;
  readonly durationMs: number;
  readonly notes: readonly string[];
}
