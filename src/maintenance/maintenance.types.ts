import type { JobRun } from '../jobs/jobs.types.js';
import type { JobName } from './job-definitions.js';

/** A job, as `/admin/jobs` and `pgkeep jobs` show it. */
export interface JobView {
  readonly name: JobName;
  /** The cron expression; null where it has none, or its setting is `off`. */
  readonly schedule: string | null;
  /** The job whose scheduled runs it follows. */
  readonly after: JobName | null;
  /** ISO 8601; null where nothing is scheduled, or backups are off. */
  readonly nextDueAt: string | null;
  /** ISO 8601: since when a run of the schedule is overdue, with no service to begin it; null where none is. */
  readonly overdueSince: string | null;
  /** ISO 8601: since when a service keeps this schedule; null where none has registered it. */
  readonly registeredAt: string | null;
  /** The id of the active run. */
  readonly running: string | null;
  /** The newest ten, by due time. */
  readonly runs: readonly JobRun[];
}

/** Every job. */
export interface JobsOverview {
  /** `BACKUP_ENABLED`: whether the schedule is on. */
  readonly enabled: boolean;
  /** `BACKUP_TIMEZONE`. */
  readonly timeZone: string;
  readonly jobs: readonly JobView[];
}
