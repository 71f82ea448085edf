import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { DriftModule } from '../drift/drift.module.js';
import { EnvironmentModule } from '../environment/environment.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { BackupWatch } from './backup-watch.js';
import { DriftWatch } from './drift-watch.js';
import { ReadinessMonitor } from './readiness-monitor.js';
import { ReadinessService } from './readiness.service.js';

@Module({
  // Terminus would log every failing evaluation as an error; the monitor logs each change once.
  imports: [
    BackupModule,
    ClockModule,
    DatabaseModule,
    DriftModule,
    EnvironmentModule,
    JobsModule,
    MigrationsModule,
    TerminusModule.forRoot({ logger: false }),
  ],
  providers: [ReadinessService, ReadinessMonitor, BackupWatch, DriftWatch],
  exports: [ReadinessService, ReadinessMonitor, BackupWatch, DriftWatch],
})
export class ReadinessModule {}
