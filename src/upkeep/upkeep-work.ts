import { Injectable } from '@nestjs/common';
import { BackupService } from '../backup/backup.service.js';
import type { JsonObject } from '../jobs/jobs.types.js';
import type { RunContext } from '../jobs/perform-run.js';
import { RetentionService } from '../retention/retention.service.js';
import type { JobName } from './job-table.js';

/** Job name and verb: the one place that says what a job does. */
@Injectable()
export class UpkeepWork {
  private readonly verbs: Readonly<Record<JobName, (context: RunContext) => Promise<JsonObject>>> = {
    backup: (context) => this.backUp(context),
    prune: (context) => this.prune(context),
  };

  constructor(
    private readonly backups: BackupService,
    private readonly retention: RetentionService,
  ) {}

  /** @returns what the history keeps. @throws what the verb throws. */
  async perform(job: JobName, context: RunContext): Promise<JsonObject> {
    return await this.verbs[job](context);
  }

  private async backUp({ run, signal, requireLease }: RunContext): Promise<JsonObject> {
    return {
      ...(await this.backups.create({
        reason: run.trigger === 'manual' ? 'manual' : 'scheduled',
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
    const { keep, remove } = await this.retention.prune({ beforeRemove });
    return { kept: keep.length, removed: remove };
  }
}
