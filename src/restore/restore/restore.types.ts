import type { BackupService } from '../../backup/backup.service.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { EnvironmentName, Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Comparison, Finding } from '../comparison/comparison.js';
import type { Despite } from '../comparison/despite.js';
import type { RestoreConsent } from './refusals.js';
import type { RestoreSource } from './restore-source.js';
import type { RestoreTarget } from './restore-target.js';

/** What `pgkeep restore` is asked for. */
export interface RestoreOptions extends RestoreConsent {
  /** A backup's name, one of its files, or a dump made elsewhere. */
  readonly source: string;
  /** Everything belongs to the role that restores, and nothing is granted. */
  readonly noOwner?: boolean;
  /** Go on where the database as it is now cannot be backed up first. */
  readonly withoutSafetyBackup?: boolean;
  /** Findings in spite of which it is restored, each by its name: `rows:public.children`. */
  readonly despite?: readonly string[];
  /** Told what is being done, one line at a time. */
  readonly progress?: (line: string) => void;
  /** Aborting it ends the restore in order: the database is as it was. */
  readonly signal?: AbortSignal;
  /** Who restores, for the changelog. Defaults to the user of the operating system. */
  readonly actor?: string;
}

/** What a restore would do, for a person to read before. */
export interface RestorePlan {
  readonly source: string;
  /** Null where a bare dump does not say. */
  readonly finishedAt: string | null;
  readonly bytes: number | null;
  readonly tables: number | null;
  readonly rows: number | null;
  /** What of the dumped database is not in the backup, such as `the subscription feed`. */
  readonly without: readonly string[];
  readonly server: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** Undefined size: there is no such database, and it is created. */
  readonly exists: boolean;
  readonly sizeBytes: number | null;
  /** `<database>_<environment>` of the backup, where it is of another one. */
  readonly other: string | null;
  /** Migrations of this build that the backup has not: to be applied afterwards. */
  readonly missingMigrations: readonly string[];
  /** Migrations of the backup that this build does not know. */
  readonly unknownMigrations: readonly string[];
  /** How long the newest restore test of this database took to restore; null where there is none. */
  readonly lastRestoreMs: number | null;
  /** Whether it takes a typed confirmation. */
  readonly isProduction: boolean;
  /** Findings in spite of which it would be restored. */
  readonly despite: readonly string[];
  /** What could not be checked yet; null where everything was that can be refused. */
  readonly notChecked: string | null;
}

/** What `pgkeep restore` did. */
export interface Restoration {
  readonly source: string;
  readonly database: string;
  /** The name under which the database that was there is kept; null where there was none. */
  readonly replaced: string | null;
  /** The backup that was made of it first. */
  readonly safetyBackup: string | null;
  /** What of the dumped database was not in the backup, and is not in this one now. */
  readonly without: readonly string[];
  readonly comparisons: readonly Comparison[];
  /** Findings that were named beforehand with `--despite`: the restored database has them. */
  readonly accepted: readonly Finding[];
  readonly notes: readonly string[];
  readonly durationMs: number;
}

/** What `pgkeep restore NAME --tables … --into …` did. */
export interface TablesRestoration {
  readonly source: string;
  /** The database that was made for them. */
  readonly database: string;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  /** For each table the command that copies its rows into the database in use. */
  readonly copies: readonly string[];
  readonly durationMs: number;
}

/** Everything that one restore works with. */
export interface RestoreContext {
  readonly settings: Settings;
  readonly backups: BackupService;
  readonly clock: Clock;
  readonly source: RestoreSource;
  readonly target: RestoreTarget;
  /** Whether the database that is to be replaced can be read. */
  readonly targetAnswers: boolean;
  readonly maintenanceUrl: DatabaseUrl;
  readonly noOwner: boolean;
  readonly withoutSafetyBackup: boolean;
  readonly despite: Despite;
  /** What the archive needs of the server; undefined where it could not be read before it is here. */
  readonly needs: ArchiveNeeds | undefined;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
  readonly actor: string;
}
