import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnModuleDestroy,
  Optional,
} from '@nestjs/common';
import { service } from '../audit-log/append.js';
import { BackupService } from '../backup/backup.service.js';
import type { Environment } from '../config/read-settings.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import { JobsService } from '../jobs/jobs.service.js';
import type { Claim, JobRun, JsonObject, RunOutcome } from '../jobs/jobs.types.js';
import type { RunContext } from '../jobs/perform-run.js';
import { BackupWatch } from '../readiness/backup-watch.js';
import { CleanupService } from '../privacy/cleanup/cleanup.service.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import { RetentionService } from '../retention/retention.service.js';
import { type JobName, JOBS, resultText } from './job-definitions.js';

/** The injection token of the environment that a service has read its settings from: it makes jobs run in their own process. */
export const JOB_ENVIRONMENT = Symbol('pgkeep job environment');

/** What the work of a job needs of its run. */
type WorkContext = Omit<RunContext, 'run'> & { readonly run: Pick<JobRun, 'trigger' | 'parameters'> };

/** How long a shutdown waits for work to end. */
const LONGEST_END_MS = 10_000;

/** Does the work of each job. */
@Injectable()
export class JobWork {
  private readonly actions: Readonly<Record<JobName, (context: WorkContext) => Promise<JsonObject>>> = {
    backup: (context) => this.backUp(context),
    prune: (context) => this.prune(context),
    'restore-test': (context) => this.testRestore(context),
    cleanup: (context) => this.cleanUp(context),
  };

  constructor(
    private readonly backups: BackupService,
    private readonly retention: RetentionService,
    private readonly restoreTests: RestoreTestService,
    private readonly cleanup: CleanupService,
  ) {}

  /** Does the work of a run, and returns what the history keeps. @throws what the service throws. */
  async perform(job: JobName, context: WorkContext): Promise<JsonObject> {
    return await this.actions[job](context);
  }

  private async backUp({ run, signal, requireLease }: WorkContext): Promise<JsonObject> {
    return {
      ...(await this.backups.create({
        reason: run.trigger === 'manual' ? 'manual' : 'scheduled',
        actor: actorOf(run),
        signal,
        beforePublish: requireLease,
      })),
    };
  }

  private async prune({ run, signal, requireLease }: WorkContext): Promise<JsonObject> {
    const beforeRemove = async (): Promise<void> => {
      signal.throwIfAborted();
      await requireLease();
    };
    const { keep, remove } = await this.retention.prune({ actor: actorOf(run), beforeRemove });
    return { kept: keep.length, removed: remove };
  }

  /** Erases due rows. If one cannot be erased, the run fails: the others are erased, and it is due again. */
  private async cleanUp({ run, signal, requireLease }: WorkContext): Promise<JsonObject> {
    const report = await this.cleanup.clean({ actor: actorOf(run), signal, beforeBatch: requireLease });
    const [failure] = report.failures;
    if (!failure) return { erased: report.erased, ledgerDigest: report.ledgerDigest };
    throw new PgkeepError(
      'PRIVACY_REFUSED',
      `${report.erased} rows were erased, and ${report.failures.length} could not be: ${failure.table} ${failure.key}: ${failure.message}.`,
      { hint: 'Fix what the message reports: the next run tries again. `pgkeep privacy cleanup` lists all.' },
    );
  }

  /** Tests a backup. If that fails, so does the run: `/ready` reports three in a row. */
  private async testRestore({ run, signal }: WorkContext): Promise<JsonObject> {
    const { backup } = run.parameters;
    const report = await this.restoreTests.run({
      ...(typeof backup === 'string' && { backup }),
      signal,
      actor: actorOf(run),
    });
    const { verdict, without = [], comparisons, durationMs, number, hash, notRecorded } = report;
    if (verdict === 'passed')
      return { backup: report.backup, verdict, without, durationMs, number, hash, notRecorded };
    const failing = comparisons.filter(({ ok }) => !ok).map(({ name, details }) => `${name}: ${details}`);
    throw new PgkeepError(
      'RESTORE_TEST_FAILED',
      `${report.backup} failed its restore test: ${failing.join('; ')}.`,
      {
        hint: `Do not use this backup. Test an older one (\`pgkeep backup list\`). The details are in evidence ${number ?? hash} (\`pgkeep restore history\`).`,
      },
    );
  }
}

/** Returns who asked for a run, whichever replica does it; the service where the schedule did. */
function actorOf({ parameters: { actor } }: Pick<JobRun, 'parameters'>): string {
  return typeof actor === 'string' ? actor : service();
}

/** The runs of this process. They continue in the background; a shutdown stops them and waits for their end. */
@Injectable()
export class RunningJobs implements OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Jobs');
  private readonly stop = new AbortController();
  private readonly active = new Map<string, Promise<void>>();
  private readonly leaseMs: number;

  constructor(
    @Inject(SETTINGS) { backup }: Settings,
    private readonly jobs: JobsService,
    private readonly work: JobWork,
    private readonly watch: BackupWatch,
    @Optional() @Inject(JOB_ENVIRONMENT) private readonly environment?: Environment,
  ) {
    this.leaseMs = backup.jobLeaseMs;
  }

  get isStopping(): boolean {
    return this.stop.signal.aborted;
  }

  claim(job: JobName): Claim {
    return { job, holder: `${process.pid}@${hostname()}`, leaseMs: this.leaseMs };
  }

  /** Does the work of a claimed run, in the background. */
  perform(job: JobName, run: JobRun): void {
    const performing = this.performRun(job, run)
      .catch((error: unknown) => this.logger.error(`${job}: ${messageOf(error)}`))
      .finally(() => this.active.delete(run.id));
    this.active.set(run.id, performing);
  }

  /** Waits until no run is active in this process. */
  async settled(): Promise<void> {
    while (this.active.size > 0) await Promise.all(this.active.values());
  }

  /** The first step of the shutdown: runs end while the HTTP server still drains. */
  onModuleDestroy(): void {
    this.stop.abort();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.race([this.settled(), sleep(LONGEST_END_MS, undefined, { ref: false })]);
  }

  private async performRun(job: JobName, run: JobRun): Promise<void> {
    // Loaded here: most replicas have no run.
    const { performRun } = await import('../jobs/perform-run.js');
    this.logger.log(`${job}: started, ${run.trigger}, due ${run.dueAt}, run ${run.id}`);
    const holding = { leaseMs: this.leaseMs, limitMs: JOBS[job].limitMs, stop: this.stop.signal };
    const outcome = await performRun(this.jobs, run, holding, (context) => this.workOn(job, context));
    this.log(job, outcome);
    await this.watch.refresh();
    const { followedBy } = JOBS[job];
    if (outcome.state === 'succeeded' && followedBy && run.trigger !== 'manual' && !this.isStopping) {
      await this.follow(followedBy);
    }
  }

  /** A service does the work in another process; an application that imports pgkeep does it here, with its own settings. */
  private async workOn(job: JobName, context: RunContext): Promise<JsonObject> {
    const { environment } = this;
    if (environment === undefined) return await this.work.perform(job, context);
    const { performSeparately } = await import('./separate-job.js');
    return await performSeparately({ job, environment, context });
  }

  private async follow(job: JobName): Promise<void> {
    const run = await this.jobs.begin(this.claim(job), 'schedule', {});
    if (run) this.perform(job, run);
  }

  private log(job: JobName, { state, result, error }: RunOutcome): void {
    if (state === 'succeeded') this.logger.log(`${job}: done: ${resultText(result)}`);
    else this.logger.error(`${job}: ${state}: ${[error?.message, error?.hint].filter(Boolean).join(' ')}`);
  }
}
