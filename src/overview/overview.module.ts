import { Module } from '@nestjs/common';
import { AlertsModule } from '../alerts/alerts.module.js';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { MaintenanceModule } from '../maintenance/maintenance.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { MonitoringModule } from '../monitoring/monitoring.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { RestoreModule } from '../restore/restore.module.js';
import { StatsModule } from '../stats/stats.module.js';
import { OverviewService } from './overview.service.js';

/** Everything at a glance. The service loads it when it is asked for. */
@Module({
  imports: [
    AlertsModule,
    AuditLogModule,
    BackupModule,
    ClockModule,
    MaintenanceModule,
    MigrationsModule,
    MonitoringModule,
    ReadinessModule,
    RestoreModule,
    StatsModule,
  ],
  providers: [OverviewService],
  exports: [OverviewService],
})
export class OverviewModule {}
