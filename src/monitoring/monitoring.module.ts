import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { HistoryService } from './history/history.service.js';
import { MonitoringService } from './monitoring.service.js';
import { MonitorWatch } from './watch/monitor-watch.js';

@Module({
  imports: [ClockModule, DatabaseModule],
  providers: [MonitoringService, MonitorWatch, HistoryService],
  exports: [MonitoringService, MonitorWatch, HistoryService],
})
export class MonitoringModule {}
