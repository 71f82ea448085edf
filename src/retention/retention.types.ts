import type { BackupReason } from '../backup/backup.types.js';
import type { Recording } from '../audit-log/audit-log.types.js';

/** What retention has to know of a backup. */
export interface RetainedBackup {
  readonly name: string;
  /** When it was committed. */
  readonly finishedAt: Date;
  /** Kept until it is unpinned. */
  readonly pinned: boolean;
  /** Whether a restore test of it passed. */
  readonly proven: boolean;
  /** Why it was made. Defaults to `scheduled`. */
  readonly reason?: BackupReason;
  /** The backup that the restore was made from, of a `pre-restore` backup that names it. */
  readonly origin?: string | null;
}

/** How long backups are kept; of each period its newest regular backup. */
export interface RetentionRules {
  /** `BACKUP_RETENTION_HOURS`: every younger backup stays. Defaults to 48. */
  readonly hours?: number;
  /** `BACKUP_RETENTION_DAYS`: also how long `pre-restore` and `pre-migration` backups stay. */
  readonly days: number;
  /** `BACKUP_RETENTION_WEEKS`, ISO weeks. */
  readonly weeks: number;
  /** `BACKUP_RETENTION_MONTHS`. */
  readonly months: number;
  /** `BACKUP_TIMEZONE`: where a day begins. An IANA name. */
  readonly timeZone: string;
}

/** A backup that stays, and every reason for it. */
export interface KeptBackup {
  readonly name: string;
  /** Such as `in use: restore test`, `newest`, `younger than 48 hours`, `daily 2026-02-07`, `weekly 2026-W06`, `pinned`, `restored when NAME was made`. */
  readonly because: readonly string[];
}

/** Which backups stay and which go; newest first. */
export interface RetentionPlan {
  readonly keep: readonly KeptBackup[];
  readonly remove: readonly string[];
}

/** What `pgkeep backup prune` did, or would do. Not recorded also where nothing was removed. */
export interface PruneReport extends RetentionPlan, Recording {
  /** Backups that go by the same name and environment and are another database server's: left alone. */
  readonly foreign: readonly string[];
  /** True when nothing was removed because only the plan was asked for. */
  readonly dryRun: boolean;
}
