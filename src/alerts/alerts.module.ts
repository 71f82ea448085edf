import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { ClockModule } from '../core/clock.module.js';
import { MaintenanceModule } from '../maintenance/maintenance.module.js';
import { MonitoringModule } from '../monitoring/monitoring.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { AlertSources } from './alert-sources.js';
import { AlertStore } from './alert-store.js';
import { AlertWatch } from './alert-watch.js';
import { AlertsService } from './alerts.service.js';
import { RefusedLogins } from './refused-logins.js';

@Module({
  imports: [
    AccessModule,
    AuditLogModule,
    ClockModule,
    DatabaseModule,
    MaintenanceModule,
    MonitoringModule,
    ReadinessModule,
  ],
  providers: [AlertSources, AlertStore, AlertWatch, AlertsService, RefusedLogins],
  exports: [AlertWatch, AlertsService],
})
export class AlertsModule {}
