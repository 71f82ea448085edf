import { Module } from '@nestjs/common';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { MetricsService } from './metrics.service.js';

@Module({
  imports: [ReadinessModule],
  providers: [MetricsService],
  exports: [MetricsService],
})
export class MetricsModule {}
