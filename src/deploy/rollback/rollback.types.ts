import type { ProgressListener } from '../../backup/backup.types.js';
import type { Recording } from '../../audit-log/audit-log.types.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { Loss } from '../../migrations/down/losses.js';
import type { DeployReport, ShrunkTable } from '../deploy/deploy.types.js';

/** What is to be taken back, and what its loss was consented to. */
export interface RollbackOptions {
  /** Must be the newest applied one. Defaults to it, whichever it is. */
  readonly migration?: string;
  /** Tables (`public.children`) and columns (`public.parents.phone`) whose rows and values may be lost. */
  readonly lose?: readonly string[];
  /** `ROLLBACK_PRODUCTION`; asked for in production. */
  readonly confirm?: string;
  /** The database's name, typed again. */
  readonly target?: string;
  /** Whether `confirm` was typed on a terminal after the plan was shown: then the target need not be named. */
  readonly onTerminal?: boolean;
  /** Waits for a deploy to end, instead of being refused. Defaults to false. */
  readonly wait?: boolean;
  /** Makes no backup; production refuses that. Defaults to false. */
  readonly withoutBackup?: boolean;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Aborting it cancels the statement that runs: nothing is taken back then. */
  readonly signal?: AbortSignal;
  /** Is told each step: one line. */
  readonly onStep?: (line: string) => void;
  readonly onBackupProgress?: ProgressListener;
}

/** A loss, as large as it is now. */
export interface MeasuredLoss extends Pick<Loss, 'kind' | 'name' | 'what'> {
  /** Rows of a table, or values of a column that are not NULL; null where they could not be counted in time. */
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
  /** What there is to lose now; tables and columns without a row or a value are left out. */
  readonly losses: readonly MeasuredLoss[];
  /** Names of those that were not consented to: it is refused because of them. */
  readonly notNamed: readonly string[];
  /** Whether it takes a typed confirmation. */
  readonly isProduction: boolean;
  readonly lockTimeoutMs: number;
  readonly statementTimeoutMs: number;
  /** What is worth knowing and stops nothing. */
  readonly notes: readonly string[];
}

/** What `pgkeep migrate rollback` answers. */
export interface RollbackReport extends Recording, Pick<DeployReport, 'drifted' | 'notFingerprinted'> {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly migration: string;
  /** The migration's directory, relative to the working directory: as long as it is there, a deploy applies it again. */
  readonly directory: string;
  /** The backup from before; null where none was made. */
  readonly backup: string | null;
  readonly lost: readonly MeasuredLoss[];
  readonly shrunk: readonly ShrunkTable[];
  /** Tables with rows that were too large to be counted in time. */
  readonly notCounted: readonly string[];
  /** How often it was tried again because it did not get its lock. */
  readonly retries: number;
  readonly durationMs: number;
  readonly notes: readonly string[];
}
