import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { MonitoringService } from './monitoring.service.js';
import { MonitorWatch } from './watch/monitor-watch.js';

@Module({
  imports: [ClockModule, JobsModule],
  providers: [MonitoringService, MonitorWatch],
  exports: [MonitoringService, MonitorWatch],
})
export class MonitoringModule {}
