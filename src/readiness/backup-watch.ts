import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../backup/backup.service.js';
import type { UnreachablePlace } from '../backup/backup.types.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import type { Known } from '../core/known.js';
import type { DueTimes } from '../jobs/due-times.js';
import { JobsService, type RegisteredJob } from '../jobs/jobs.service.js';
import type { JobRun, JobsAbility } from '../jobs/jobs.types.js';
import { withDeadline } from '../postgres/deadline.js';

/** The backups of this database and environment that are in the storage. */
export interface StoredBackups {
  /** When each was committed, the newest first. */
  readonly finishedAt: readonly Date[];
  /** The size of the newest archive; undefined if there is none. */
  readonly newestBytes?: number | undefined;
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

/** Everything that the check `backups` judges, learned apart from the evaluations. */
export interface BackupFacts {
  readonly storage: Known<StoredBackups>;
  readonly jobs: Known<JobFacts>;
  /** The time between two backups, in ms: the schedule's period around now, a day where it has none. */
  readonly periodMs: number;
  /** When the next backup is due by the schedule. */
  readonly nextDue: Date | undefined;
}

/** Listing a bucket costs money, and backups do not come by the second. */
const REFRESH_MS = 60_000;
/** A storage or a database that did not answer is asked again sooner. */
const RETRY_MS = 5000;
/** A fact is cached for this long although asking again fails. */
const CACHE_MS = 300_000;
/** A storage that takes longer counts as not answering. */
const DEADLINE_MS = 30_000;
const STOP_MS = 1000;
const DAY_MS = 86_400_000;
/** Enough to notice a series of failures. */
const RUNS_LOOKED_AT = 5;

/** One cached fact. */
interface Cached<T> {
  readonly value: T;
  readonly learnedAt: number;
}

/**
 * Reads storage and job history apart from the evaluations, at its own pace: a storage that hangs delays no verdict.
 * Reads nothing while backups are off.
 */
@Injectable()
export class BackupWatch implements BeforeApplicationShutdown {
  private latest: BackupFacts | undefined;
  private asking: Promise<void> | undefined;
  /** When it was last asked, as `performance.now()`: at the end of each job of this process, too. */
  askedAt = -Infinity;
  private storage: Cached<StoredBackups> | undefined;
  private jobFacts: Cached<JobFacts> | undefined;
  private times: DueTimes | undefined;
  private isStopping = false;
  private wasAsked = false;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly backups: BackupService,
    private readonly jobs: JobsService,
  ) {}

  /**
   * Returns what is known, from memory, and asks again in the background when that is old. Only the first call waits
   * for the answer, at most `deadlineMs`.
   */
  async facts(deadlineMs: number): Promise<BackupFacts | undefined> {
    if (!this.settings.backup.enabled) return undefined;
    const age = performance.now() - this.askedAt;
    const isComplete = this.latest && 'value' in this.latest.storage && 'value' in this.latest.jobs;
    if (!this.asking && age > (isComplete ? REFRESH_MS : RETRY_MS)) void this.refresh();
    const isFirst = !this.wasAsked;
    this.wasAsked = true;
    // If that takes longer, this verdict says so, and a later one has the answer.
    if (isFirst && this.asking) await withDeadline(this.asking, deadlineMs).catch(() => undefined);
    return this.latest;
  }

  /** Asks again, after a question that is under way: its answer may be from before a change. Never throws. */
  async refresh(): Promise<void> {
    if (!this.settings.backup.enabled || this.isStopping) return;
    this.askedAt = performance.now();
    const asking = (this.asking ?? Promise.resolve()).then(() => this.ask());
    this.asking = asking;
    await asking;
    if (this.asking === asking) this.asking = undefined;
  }

  /** Waits for a question that is under way: it may still use the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.asking) await withDeadline(this.asking, STOP_MS).catch(() => undefined);
  }

  private async ask(): Promise<void> {
    // The parser loads while storage and database answer: the first verdict waits for all of them.
    const [storage, jobs, times] = await Promise.all([
      learn(this.readStorage()).then((learned) => orCached(learned, this.storage)),
      learn(this.readJobs()).then((learned) => orCached(learned, this.jobFacts)),
      this.dueTimes(),
    ]);
    this.storage = storage.cached;
    this.jobFacts = jobs.cached;
    const now = this.clock.now();
    this.latest = {
      storage: storage.fact,
      jobs: jobs.fact,
      periodMs: times?.period(now) ?? DAY_MS,
      nextDue: times?.next(now),
    };
  }

  private async readStorage(): Promise<StoredBackups> {
    const { backups, unreachable } = await this.backups.list();
    const own = backups.filter(
      ({ database, environment }) =>
        database === this.settings.database.url.database && environment === this.settings.environment,
    );
    return {
      finishedAt: own.map(({ finishedAt }) => new Date(finishedAt)),
      newestBytes: own[0]?.bytes,
      places: [...new Set(own.flatMap(({ locations }) => locations))],
      unreachable,
    };
  }

  private async readJobs(): Promise<JobFacts> {
    const { now, ...state } = await this.jobs.state(RUNS_LOOKED_AT);
    return { ...state, askedAt: now };
  }

  private async dueTimes(): Promise<DueTimes | undefined> {
    const { schedule, timeZone } = this.settings.backup;
    if (schedule === undefined) return undefined;
    // Loaded only here: the parser costs a start that has no schedule.
    const { DueTimes: Times } = await import('../jobs/due-times.js');
    this.times ??= new Times(schedule, timeZone);
    return this.times;
  }
}

async function learn<T>(asking: Promise<T>): Promise<Known<T>> {
  try {
    return { value: await withDeadline(asking, DEADLINE_MS) };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}

/** Returns what was learned, or what was cached before, while that is not too old. */
function orCached<T>(
  learned: Known<T>,
  before: Cached<T> | undefined,
): { fact: Known<T>; cached: Cached<T> | undefined } {
  const now = performance.now();
  if ('value' in learned) return { fact: learned, cached: { value: learned.value, learnedAt: now } };
  if (!before || now - before.learnedAt > CACHE_MS) return { fact: learned, cached: undefined };
  return { fact: { value: before.value }, cached: before };
}
