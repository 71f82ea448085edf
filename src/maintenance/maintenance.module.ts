import { Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { ErasureModule } from '../privacy/erasure.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { RestoreModule } from '../restore/restore.module.js';
import { RetentionModule } from '../retention/retention.module.js';
import { JITTER, MaintenanceService } from './maintenance.service.js';
import { JobWork, RunningJobs } from './running-jobs.js';

/**
 * Defines the jobs, and what each calls. A module below the interfaces: the routes start the same jobs as the schedule,
 * and neither may import the other.
 */
@Module({
  imports: [BackupModule, JobsModule, ErasureModule, ReadinessModule, RestoreModule, RetentionModule],
  providers: [MaintenanceService, JobWork, RunningJobs, { provide: JITTER, useValue: Math.random }],
  exports: [MaintenanceService],
})
export class MaintenanceModule {}
