import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { AlertsModule } from '../alerts/alerts.module.js';
import { MonitoringModule } from '../monitoring/monitoring.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { MetricsService } from './metrics.service.js';

@Module({
  imports: [AccessModule, AlertsModule, MonitoringModule, ReadinessModule],
  providers: [MetricsService],
  exports: [MetricsService],
})
export class MetricsModule {}
