import type { BackupService } from '../../backup/backup.service.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { EnvironmentName, Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import type { ErasureCounts, ErasuresSince } from '../../privacy/replay/plan-replay.js';
import type { ReplayService } from '../../privacy/replay/replay.service.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Comparison, Finding } from '../comparison/comparison.js';
import type { Despite } from '../comparison/despite.js';
import type { RestoreConsent } from './refusals.js';
import type { RestoreSource } from './restore-source.js';
import type { RestoreTarget } from './restore-target.js';

/** The options of a restore. */
export interface RestoreOptions extends RestoreConsent {
  /** A backup's name, one of its files, or another tool's dump. */
  readonly source: string;
  /** The restoring role owns everything, and no grants are restored. */
  readonly noOwner?: boolean;
  /** Continue if the current database cannot be backed up first. */
  readonly withoutSafetyBackup?: boolean;
  /** Do not erase again what was erased since the backup. */
  readonly withoutErasures?: boolean;
  /** The accepted findings, each by its name: `rows:public.children`. */
  readonly despite?: readonly string[];
  /** Called with each step, one line at a time. */
  readonly progress?: (line: string) => void;
  /** Aborting it stops the restore cleanly: the database is not changed. */
  readonly signal?: AbortSignal;
  /** Who restores, for the audit log. Defaults to the user of the operating system. */
  readonly actor?: string;
}

/** What a restore would do, for a person to read first. */
export interface RestorePlan {
  readonly source: string;
  /** When the backup was finished; null for a dump without a manifest. */
  readonly finishedAt: string | null;
  readonly bytes: number | null;
  readonly tables: number | null;
  readonly rows: number | null;
  /** What the backup does not contain of the dumped database, such as `the subscription feed`. */
  readonly without: readonly string[];
  readonly server: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** False if there is no such database: the restore creates it. */
  readonly exists: boolean;
  readonly sizeBytes: number | null;
  /** The `<database>_<environment>` of a backup of another database or environment, otherwise null. */
  readonly other: string | null;
  /** Migrations of this build that are not in the backup: to be applied afterwards. */
  readonly missingMigrations: readonly string[];
  /** Migrations of the backup that this build does not know. */
  readonly unknownMigrations: readonly string[];
  /** How long the newest restore test of this database took to restore; null if there is none. */
  readonly lastRestoreMs: number | null;
  /** Whether a typed confirmation is required. */
  readonly isProduction: boolean;
  /** The accepted findings. */
  readonly despite: readonly string[];
  /** What was erased since the backup, and is erased again; null with `withoutErasures`. */
  readonly erasures: ErasuresSince | null;
  /** What could not be checked before the restore; null if everything was checked. */
  readonly notChecked: string | null;
}

/** The result of a restore. */
export interface Restoration {
  readonly source: string;
  readonly database: string;
  /** The name under which the replaced database is kept; null if there was none. */
  readonly replaced: string | null;
  /** The backup of the replaced database that was made first. */
  readonly safetyBackup: string | null;
  /** What the backup did not contain of the dumped database, and the restored database does not have. */
  readonly without: readonly string[];
  readonly comparisons: readonly Comparison[];
  /** The findings that `--despite` accepted: the restored database has them. */
  readonly accepted: readonly Finding[];
  /** What was erased since the backup, and was erased again; null with `withoutErasures`. */
  readonly erasures: ErasureCounts | null;
  readonly notes: readonly string[];
  readonly durationMs: number;
}

/** The result of `pgkeep restore NAME --tables … --into …`. */
export interface TablesRestoration {
  readonly source: string;
  /** The database that was created for them. */
  readonly database: string;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** Rows that were erased since the backup, and were left out. */
  readonly erased: number;
  /** For each table, the command that copies its rows into the database in use. */
  readonly copies: readonly string[];
  readonly durationMs: number;
}

/** Everything that one restore needs. */
export interface RestoreContext {
  readonly settings: Settings;
  readonly backups: BackupService;
  readonly clock: Clock;
  readonly source: RestoreSource;
  readonly target: RestoreTarget;
  /** Whether the database to replace can be read. */
  readonly targetAnswers: boolean;
  readonly maintenanceUrl: DatabaseUrl;
  readonly noOwner: boolean;
  readonly withoutSafetyBackup: boolean;
  readonly withoutErasures: boolean;
  readonly erasures: ReplayService;
  /** The `<database>_<environment>` of a backup of another database or environment. */
  readonly other: string | undefined;
  readonly despite: Despite;
  /** What the archive requires of the server; undefined if it could not be read before it is fetched. */
  readonly needs: ArchiveNeeds | undefined;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
  readonly actor: string;
}
