import { Inject, Injectable, Logger } from '@nestjs/common';
import type { BackupSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import type { DueTimes } from '../jobs/due-times.js';
import { JobsService, type RegisteredJob } from '../jobs/jobs.service.js';
import { type JobRun, type JsonObject, unableError } from '../jobs/jobs.types.js';
import { BackupWatch } from '../readiness/backup-watch.js';
import { JOB_NAMES, type JobName, JOBS, scheduleTexts } from './job-definitions.js';
import type { JobsOverview } from './maintenance.types.js';
import { nextStep, overdueSince } from './next-step.js';
import { RunningJobs } from './running-jobs.js';

/** The injection token of a `() => number` from 0 to 1, which spreads what is caught up. */
export const JITTER = Symbol('pgkeep jitter');

/** A missed run starts within this time, at random: after an outage many services come back together. */
const LONGEST_JITTER_MS = 60_000;
/** The newest runs that decide the next step. */
const RUNS_LOOKED_AT = 10;
const RUNS_SHOWN = 10;

/** The jobs: claims what is due, starts a run on request, and lists the runs. Does nothing by itself. */
@Injectable()
export class MaintenanceService {
  private readonly logger = new Logger('Jobs');
  private readonly settings: BackupSettings;
  private readonly schedules: ReturnType<typeof scheduleTexts>;
  private isRegistered = false;
  /** When a missed run starts, by the database's clock. */
  private readonly catchUps = new Map<JobName, { readonly due: Date; readonly notBefore: Date }>();
  private times: ReadonlyMap<JobName, DueTimes> | undefined;

  constructor(
    @Inject(SETTINGS) private readonly allSettings: Settings,
    @Inject(JITTER) private readonly jitter: () => number,
    private readonly jobs: JobsService,
    private readonly runs: RunningJobs,
    private readonly watch: BackupWatch,
  ) {
    this.settings = allSettings.backup;
    this.schedules = scheduleTexts(allSettings);
  }

  /**
   * Does one step of the schedule: takes over unfinished runs, and claims what is due. Returns when the runs have
   * started; they continue in the background.
   * @throws PgkeepError `NOT_INSTALLED`, `DATABASE_PERMISSION_DENIED`, `DATABASE_…`.
   */
  async step(): Promise<void> {
    if (!this.settings.enabled || this.runs.isStopping) return;
    const { ability } = await this.jobs.read();
    if (ability.kind !== 'able') throw unableError('run the schedule', ability);
    await this.registerOnce();
    const { now, registered, runs } = await this.jobs.state(RUNS_LOOKED_AT);
    for (const job of JOB_NAMES) {
      const ofJob = runs.filter((run) => run.job === job);
      await this.stepJob(job, now, registered, ofJob);
    }
  }

  /**
   * Starts a run by hand.
   * @param parameters of the job; `actor` is who asked for it, for the audit log: the service by default
   * @returns the run, which continues in the background.
   * @throws PgkeepError `JOB_RUNNING` naming the active run, `BACKUP_REFUSED` where backups are off.
   */
  async begin(job: JobName, parameters: JsonObject = {}): Promise<JobRun> {
    this.requireOn(job);
    await this.jobs.markLost(job);
    const run = await this.jobs.begin(this.runs.claim(job), 'manual', parameters);
    if (!run) throw await this.alreadyRunning(job);
    this.runs.perform(job, run);
    return run;
  }

  /** Returns each job: when it is due next, and its newest runs. @throws PgkeepError `NOT_INSTALLED`, `DATABASE_…`. */
  async overview(): Promise<JobsOverview> {
    const { now, ability, registered, runs } = await this.jobs.state(RUNS_SHOWN);
    if (ability.kind === 'not-installed') throw unableError('read the schedule', ability);
    const times = await this.dueTimes();
    return {
      enabled: this.settings.enabled,
      timeZone: this.settings.timeZone,
      jobs: JOB_NAMES.map((name) => {
        const ofJob = runs.filter((run) => run.job === name);
        const next = this.settings.enabled ? times.get(name)?.next(now) : undefined;
        const since = registered.find((job) => job.name === name)?.since;
        return {
          name,
          schedule: JOBS[name].expression(this.allSettings) ?? null,
          after: JOBS[name].after ?? null,
          nextDueAt: next?.toISOString() ?? null,
          overdueSince: this.settings.enabled
            ? overdueSince({ now, due: times.get(name)?.latest(now), since, runs: ofJob })
            : null,
          registeredAt: since?.toISOString() ?? null,
          running: ofJob.find(({ state }) => state === 'running')?.id ?? null,
          runs: ofJob,
        };
      }),
    };
  }

  /** Reads one run. @throws PgkeepError `JOB_RUN_NOT_FOUND`, `NOT_INSTALLED`, `DATABASE_…`. */
  async find(id: string): Promise<JobRun> {
    return await this.jobs.find(id);
  }

  private async registerOnce(): Promise<void> {
    if (this.isRegistered) return;
    await this.jobs.register(this.schedules);
    this.isRegistered = true;
    void this.watch.refresh();
  }

  private async stepJob(
    job: JobName,
    now: Date,
    registered: readonly RegisteredJob[],
    runs: readonly JobRun[],
  ): Promise<void> {
    const due = (await this.dueTimes()).get(job)?.latest(now);
    const since = registered.find(({ name }) => name === job)?.since;
    const step = nextStep({ now, due, since, runs });
    if (step.kind === 'mark-lost') {
      const lost = await this.jobs.markLost(job);
      if (!lost) return;
      this.logger.warn(`${job}: lost run ${lost.id}: ${lost.error?.message ?? ''}`);
      await this.stepJob(job, now, registered, await this.jobs.list(RUNS_LOOKED_AT, job));
    } else if (step.kind === 'take-over') {
      this.beginClaimed(job, await this.jobs.takeOver(this.runs.claim(job), due));
    } else if (step.kind === 'claim') {
      if (await this.jobs.skipServed(job, step.due)) return;
      if (step.isLate && !this.isTimeToCatchUp(job, step.due, now)) return;
      const trigger = step.isLate ? 'catch-up' : 'schedule';
      this.beginClaimed(job, await this.jobs.claim(this.runs.claim(job), step.due, trigger));
    }
  }

  private beginClaimed(job: JobName, run: JobRun | undefined): void {
    if (run) this.runs.perform(job, run);
  }

  private isTimeToCatchUp(job: JobName, due: Date, now: Date): boolean {
    let planned = this.catchUps.get(job);
    if (planned?.due.getTime() !== due.getTime()) {
      planned = { due, notBefore: new Date(now.getTime() + this.jitter() * LONGEST_JITTER_MS) };
      this.catchUps.set(job, planned);
      this.logger.log(
        `${job}: missed at ${due.toISOString()}, will start after ${planned.notBefore.toISOString()}`,
      );
    }
    return now >= planned.notBefore;
  }

  private async dueTimes(): Promise<ReadonlyMap<JobName, DueTimes>> {
    if (this.times) return this.times;
    // Loaded here: a start without a schedule does not need the parser.
    const { DueTimes: Times } = await import('../jobs/due-times.js');
    const entries = JOB_NAMES.flatMap((name) => {
      const expression = JOBS[name].expression(this.allSettings);
      return expression === undefined ? [] : [[name, new Times(expression, this.settings.timeZone)] as const];
    });
    this.times = new Map(entries);
    return this.times;
  }

  private requireOn(job: JobName): void {
    if (this.settings.enabled) return;
    throw new PgkeepError(
      'BACKUP_REFUSED',
      `Refused to start job ${job}: backups are off. Nothing was changed.`,
      { hint: 'Set BACKUP_ENABLED=true and restart the service.' },
    );
  }

  private async alreadyRunning(job: JobName): Promise<PgkeepError> {
    const running = (await this.jobs.list(RUNS_LOOKED_AT, job)).find(({ state }) => state === 'running');
    const which = running
      ? `run ${running.id}, on ${running.holder ?? ''} since ${running.startedAt ?? ''}`
      : '';
    return new PgkeepError('JOB_RUNNING', `Job ${job} is already running${which && `: ${which}`}.`, {
      hint: running ? `Its state is at /admin/jobs/${running.id}.` : 'Try again.',
    });
  }
}
