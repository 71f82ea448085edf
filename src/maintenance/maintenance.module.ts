import { type DynamicModule, Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import type { Environment } from '../config/read-settings.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ErasureModule } from '../privacy/erasure.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { RestoreModule } from '../restore/restore.module.js';
import { RetentionModule } from '../retention/retention.module.js';
import { JITTER, MaintenanceService } from './maintenance.service.js';
import { JOB_ENVIRONMENT, JobWork, RunningJobs } from './running-jobs.js';

/** Does the work of the jobs: all that the process of a job loads. */
@Module({
  imports: [BackupModule, ErasureModule, RestoreModule, RetentionModule],
  providers: [JobWork],
  exports: [JobWork],
})
export class JobWorkModule {}

/**
 * Defines the jobs, and what each calls. A module below the interfaces: the routes start the same jobs as the schedule,
 * and neither may import the other.
 */
@Module({
  imports: [JobsModule, JobWorkModule, ReadinessModule],
  providers: [MaintenanceService, RunningJobs, { provide: JITTER, useValue: Math.random }],
  exports: [MaintenanceService],
})
export class MaintenanceModule {}

/** Makes each job run in its own process, which reads its settings from the same environment. */
@Module({})
export class SeparateJobsModule {
  static of(environment: Environment): DynamicModule {
    const provider = { provide: JOB_ENVIRONMENT, useValue: environment };
    return { module: SeparateJobsModule, global: true, providers: [provider], exports: [provider] };
  }
}
