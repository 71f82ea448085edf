import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { ClockModule } from '../clock/clock.module.js';
import { DatabaseModule } from '../database/database.module.js';
import { EnvironmentModule } from '../environment/environment.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { ReadinessMonitor } from './readiness-monitor.service.js';
import { ReadinessService } from './readiness.service.js';

@Module({
  // Terminus would log every failing evaluation as an error; the monitor logs each change once.
  imports: [
    ClockModule,
    DatabaseModule,
    EnvironmentModule,
    MigrationsModule,
    TerminusModule.forRoot({ logger: false }),
  ],
  providers: [ReadinessService, ReadinessMonitor],
  exports: [ReadinessService, ReadinessMonitor],
})
export class ReadinessModule {}
