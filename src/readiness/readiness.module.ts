import { Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DriftModule } from '../drift/drift.module.js';
import { EnvironmentModule } from '../environment/environment.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { PolicyModule } from '../policy/policy.module.js';
import { ErasureModule } from '../privacy/erasure.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { BackupWatch } from './backup-watch.js';
import { CHECKS } from './checks.js';
import { DriftWatch } from './drift-watch.js';
import { PrivacyWatch } from './privacy-watch.js';
import { LatestVerdict } from './health-indicator.js';
import { ReadinessMonitor } from './readiness-monitor.js';
import { ReadinessService } from './readiness.service.js';

const INDICATORS = CHECKS.map(({ indicator }) => indicator);

@Module({
  imports: [
    BackupModule,
    ClockModule,
    DatabaseModule,
    DriftModule,
    EnvironmentModule,
    JobsModule,
    MigrationsModule,
    PolicyModule,
    ErasureModule,
  ],
  providers: [
    ReadinessService,
    ReadinessMonitor,
    { provide: LatestVerdict, useExisting: ReadinessMonitor },
    BackupWatch,
    DriftWatch,
    PrivacyWatch,
    ...INDICATORS,
  ],
  exports: [ReadinessService, ReadinessMonitor, BackupWatch, DriftWatch, ...INDICATORS],
})
export class ReadinessModule {}
