import type { UnreachablePlace } from '../backup/backup.types.js';
import type { RegisteredJob } from '../jobs/jobs.service.js';
import type { JobRun, JobsAbility } from '../jobs/jobs.types.js';

/** The backups of this database and environment that are in the storage. */
export interface StoredBackups {
  /** When each was committed, the newest first. */
  readonly finishedAt: readonly Date[];
  /** Where they are. */
  readonly places: readonly string[];
  /** Places that did not answer. */
  readonly unreachable: readonly UnreachablePlace[];
}

/** What the jobs' tables say. */
export interface JobFacts {
  readonly ability: JobsAbility;
  readonly registered: readonly RegisteredJob[];
  /** The newest runs of each job, by due time. */
  readonly runs: readonly JobRun[];
  /** The database's clock when it was asked. */
  readonly askedAt: Date;
}

/** A fact, or in a few words why it could not be had. */
export type Learned<T> = { readonly value: T } | { readonly reason: string };

/** Everything that the check `backups` judges, learned beside the evaluations. */
export interface BackupFacts {
  readonly storage: Learned<StoredBackups>;
  readonly jobs: Learned<JobFacts>;
  /** How long one backup stands for, in ms: the schedule's period around now, a day where it has none. */
  readonly periodMs: number;
  /** When the next backup is due by the schedule. */
  readonly nextDue: Date | undefined;
}
