/** What retention has to know of a backup. */
export interface RetainedBackup {
  readonly name: string;
  /** When it was committed. */
  readonly finishedAt: Date;
  /** Kept until it is unpinned. */
  readonly pinned: boolean;
  /** Whether a restore test of it passed. */
  readonly proven: boolean;
}

/** How many periods are kept, each by its newest backup. */
export interface RetentionRules {
  /** `BACKUP_RETENTION_DAYS`. */
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
  /** Such as `daily 2026-02-07`, `weekly 2026-W06`, `monthly 2026-02`, `newest`, `newest proven`, `pinned`. */
  readonly because: readonly string[];
}

/** Which backups stay and which go; newest first. */
export interface RetentionPlan {
  readonly keep: readonly KeptBackup[];
  readonly remove: readonly string[];
}

/** What `pgkeep backup prune` did, or would do. */
export interface PruneReport extends RetentionPlan {
  /** True when nothing was removed because only the plan was asked for. */
  readonly dryRun: boolean;
}

export interface PruneOptions {
  /** Only the plan; nothing is removed. */
  readonly dryRun?: boolean;
  /** Asked before each removal: what it throws ends the prune, and what is not removed yet stays. */
  readonly beforeRemove?: () => Promise<void>;
}
