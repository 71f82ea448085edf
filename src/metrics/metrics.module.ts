import { Module } from '@nestjs/common';
import { MonitoringModule } from '../monitoring/monitoring.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { MetricsService } from './metrics.service.js';

@Module({
  imports: [MonitoringModule, ReadinessModule],
  providers: [MetricsService],
  exports: [MetricsService],
})
export class MetricsModule {}
