import { Module } from '@nestjs/common';
import { SessionModule } from '../access/session.module.js';
import { AlertsModule } from '../alerts/alerts.module.js';
import { ClockModule } from '../core/clock.module.js';
import { MonitoringModule } from '../monitoring/monitoring.module.js';
import { MaintenanceModule } from '../maintenance/maintenance.module.js';
import { OverviewModule } from '../overview/overview.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { RestoreModule } from '../restore/restore.module.js';
import { ChartHistory } from './chart-history.js';
import { PagesService } from './pages.service.js';

/** What the pages are made of. Loaded with the first page. */
@Module({
  imports: [
    AlertsModule,
    ClockModule,
    MaintenanceModule,
    MonitoringModule,
    OverviewModule,
    ReadinessModule,
    RestoreModule,
    SessionModule,
  ],
  providers: [ChartHistory, PagesService],
  exports: [PagesService],
})
export class PagesModule {}
