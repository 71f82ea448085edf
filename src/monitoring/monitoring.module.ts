import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { ReadinessModule } from '../readiness/readiness.module.js';
import { ForecastService } from './forecast.service.js';
import { HistoryService } from './history/history.service.js';
import { MonitoringService } from './monitoring.service.js';
import { MonitorWatch } from './watch/monitor-watch.js';

@Module({
  imports: [ClockModule, DatabaseModule, ReadinessModule],
  providers: [MonitoringService, MonitorWatch, HistoryService, ForecastService],
  exports: [MonitoringService, MonitorWatch, HistoryService, ForecastService],
})
export class MonitoringModule {}
