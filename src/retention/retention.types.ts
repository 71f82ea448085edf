import type { BackupReason } from '../backup/backup.types.js';
import type { Recording } from '../audit-log/audit-log.types.js';

/** The facts about a backup that retention needs. */
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
  /** See `Manifest.origin`. */
  readonly origin?: string | null;
}

/** How long backups are kept. Of each period the newest regular backup is kept. */
export interface RetentionRules {
  /** `BACKUP_RETENTION_HOURS`: every younger backup is kept. Defaults to 48. */
  readonly hours?: number;
  /** `BACKUP_RETENTION_DAYS`: also how long `pre-restore` and `pre-migration` backups are kept. */
  readonly days: number;
  /** `BACKUP_RETENTION_WEEKS`, ISO weeks. */
  readonly weeks: number;
  /** `BACKUP_RETENTION_MONTHS`. */
  readonly months: number;
  /** `BACKUP_TIMEZONE`: where a day begins. An IANA name. */
  readonly timeZone: string;
}

/** A backup that is kept, and every reason for it. */
export interface KeptBackup {
  readonly name: string;
  /** Such as `in use: restore test`, `newest`, `younger than 48 hours`, `daily 2026-02-07`, `weekly 2026-W06`, `pinned`, `restored when NAME was made`. */
  readonly because: readonly string[];
}

/** Which backups to keep and to remove; newest first. */
export interface RetentionPlan {
  readonly keep: readonly KeptBackup[];
  readonly remove: readonly string[];
}

/** The result of `pgkeep backup prune`. It is not recorded if nothing was removed. */
export interface PruneReport extends RetentionPlan, Recording {
  /** Backups of the same database name and environment that another server made: left alone. */
  readonly foreign: readonly string[];
  /** Whether this is only a plan: nothing was removed. */
  readonly dryRun: boolean;
}
