import { Injectable } from '@nestjs/common';
import { service } from '../audit-log/append.js';
import { BackupService } from '../backup/backup.service.js';
import { PgkeepError } from '../core/errors.js';
import type { JsonObject } from '../jobs/jobs.types.js';
import type { RunContext } from '../jobs/perform-run.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import { RetentionService } from '../retention/retention.service.js';
import type { JobName } from './job-definitions.js';

/** Does the work of each job. */
@Injectable()
export class JobWork {
  private readonly actions: Readonly<Record<JobName, (context: RunContext) => Promise<JsonObject>>> = {
    backup: (context) => this.backUp(context),
    prune: (context) => this.prune(context),
    'restore-test': (context) => this.testRestore(context),
  };

  constructor(
    private readonly backups: BackupService,
    private readonly retention: RetentionService,
    private readonly restoreTests: RestoreTestService,
  ) {}

  /** Does the work of a run, and returns what the history keeps. @throws what the service throws. */
  async perform(job: JobName, context: RunContext): Promise<JsonObject> {
    return await this.actions[job](context);
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

  /** Tests a backup. If that fails, so does the run: `/ready` reports three in a row. */
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
        hint: `Do not use this backup. Test an older one (\`pgkeep backup list\`). The details are in evidence ${number ?? hash} (\`pgkeep restore history\`).`,
      },
    );
  }
}
