import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DriftModule } from '../drift/drift.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { MaintenanceModule } from '../maintenance/maintenance.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { RestoreModule } from '../restore/restore.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { DoctorService } from './doctor.service.js';

@Module({
  imports: [
    AuditLogModule,
    BackupModule,
    ClockModule,
    DatabaseModule,
    DriftModule,
    JobsModule,
    MaintenanceModule,
    MigrationsModule,
    ReadinessModule,
    RestoreModule,
    StorageModule,
  ],
  providers: [DoctorService],
  exports: [DoctorService],
})
export class DoctorModule {}
