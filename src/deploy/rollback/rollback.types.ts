import type { ProgressListener } from '../../backup/backup.types.js';
import type { Recording } from '../../audit-log/audit-log.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { Loss } from '../../migrations/down/losses.js';
import type { DeployReport, ShrunkTable } from '../deploy/deploy.types.js';

/** Which migration is rolled back, and which losses are allowed. */
export interface RollbackOptions {
  /** Must be the newest applied one. Defaults to it */
  readonly migration?: string;
  /** Tables (`public.children`) and columns (`public.parents.phone`) whose rows and values may be lost. */
  readonly lose?: readonly string[];
  /** `ROLLBACK_PRODUCTION`; asked for in production. */
  readonly confirm?: string;
  /** The database's name, as confirmation. */
  readonly target?: string;
  /** Whether `confirm` was typed on a terminal after the plan was shown: `target` is then not needed. */
  readonly onTerminal?: boolean;
  /** Waits for a running deploy instead of refusing. Defaults to false */
  readonly wait?: boolean;
  /** Skips the backup; refused in production. Defaults to false */
  readonly withoutBackup?: boolean;
  /** Who the audit log names. Defaults to the operator, `user@host` */
  readonly actor?: string;
  /** Aborting it cancels the running statement: nothing is rolled back then. */
  readonly signal?: AbortSignal;
  /** Called with one line for each step. */
  readonly onStep?: (line: string) => void;
  readonly onBackupProgress?: ProgressListener;
}

/** A loss and its current size. */
export interface MeasuredLoss extends Pick<Loss, 'kind' | 'name' | 'what'> {
  /** Rows of a table, or values of a column that are not NULL; null if they could not be counted in time. */
  readonly count: number | null;
}

/** What a rollback would do. */
export interface RollbackPlan {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly migration: string;
  /** Its `down.sql`, relative to the working directory. */
  readonly file: string;
  readonly sql: string;
  readonly statements: number;
  /** What would be lost now; empty tables and columns are left out. */
  readonly losses: readonly MeasuredLoss[];
  /** Names of the losses that were not allowed, for which the rollback is refused. */
  readonly notNamed: readonly string[];
  /** Whether a typed confirmation is required. */
  readonly isProduction: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** Remarks that stop nothing. */
  readonly notes: readonly string[];
}

/** What `pgkeep migrate rollback` reports. */
export interface RollbackReport
  extends Recording, Pick<DeployReport, 'drifted' | 'notFingerprinted' | 'policy'> {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly migration: string;
  /** The migration's directory, relative to the working directory: as long as it exists, a deploy applies the migration again. */
  readonly directory: string;
  /** The backup made before; null if none was made. */
  readonly backup: string | null;
  readonly lost: readonly MeasuredLoss[];
  readonly shrunk: readonly ShrunkTable[];
  /** Tables with rows that could not be counted in time. */
  readonly notCounted: readonly string[];
  /** Number of retries for a lock. */
  readonly retries: number;
  readonly durationMs: number;
  readonly notes: readonly string[];
}
