import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { MonitoringService } from './monitoring.service.js';

@Module({
  imports: [ClockModule],
  providers: [MonitoringService],
  exports: [MonitoringService],
})
export class MonitoringModule {}
