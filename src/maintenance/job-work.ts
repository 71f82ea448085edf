import { Injectable } from '@nestjs/common';
import { service } from '../audit-log/append.js';
import { BackupService } from '../backup/backup.service.js';
import { PgkeepError } from '../core/errors.js';
import type { JsonObject } from '../jobs/jobs.types.js';
import type { RunContext } from '../jobs/perform-run.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import { RetentionService } from '../retention/retention.service.js';
import type { JobName } from './job-table.js';

/** Job name and verb: the one place that says what a job does. */
@Injectable()
export class JobWork {
  private readonly verbs: Readonly<Record<JobName, (context: RunContext) => Promise<JsonObject>>> = {
    backup: (context) => this.backUp(context),
    prune: (context) => this.prune(context),
    'restore-test': (context) => this.testRestore(context),
  };

  constructor(
    private readonly backups: BackupService,
    private readonly retention: RetentionService,
    private readonly restoreTests: RestoreTestService,
  ) {}

  /** @returns what the history keeps. @throws what the verb throws. */
  async perform(job: JobName, context: RunContext): Promise<JsonObject> {
    return await this.verbs[job](context);
  }

  private async backUp({ run, signal, requireLease }: RunContext): Promise<JsonObject> {
    return {
      ...(await this.backups.create({
        reason: run.trigger === 'manual' ? 'manual' : 'scheduled',
        actor: service(),
        signal,
        beforePublish: requireLease,
      })),
    };
  }

  private async prune({ signal, requireLease }: RunContext): Promise<JsonObject> {
    const beforeRemove = async (): Promise<void> => {
      signal.throwIfAborted();
      await requireLease();
    };
    const { keep, remove } = await this.retention.prune({ actor: service(), beforeRemove });
    return { kept: keep.length, removed: remove };
  }

  /** A backup that does not pass fails the run: a series of them is told by `/ready`. */
  private async testRestore({ run, signal }: RunContext): Promise<JsonObject> {
    const { backup } = run.parameters;
    const report = await this.restoreTests.run({
      ...(typeof backup === 'string' && { backup }),
      signal,
      actor: service(),
    });
    const { verdict, without = [], comparisons, durationMs, number, hash, notRecorded } = report;
    if (verdict === 'passed')
      return { backup: report.backup, verdict, without, durationMs, number, hash, notRecorded };
    const failing = comparisons.filter(({ ok }) => !ok).map(({ name, details }) => `${name}: ${details}`);
    throw new PgkeepError(
      'RESTORE_TEST_FAILED',
      `${report.backup} failed its restore test: ${failing.join('; ')}.`,
      {
        hint: `Do not rely on this backup. Test an older one (\`pgkeep backup list\`), and find out what broke; evidence ${number ?? hash} has it all.`,
      },
    );
  }
}
