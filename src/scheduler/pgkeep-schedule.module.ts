import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Scheduler } from './scheduler.js';

/**
 * The schedule: backups by `BACKUP_SCHEDULE`, where `BACKUP_ENABLED=true`. Needs `PgkeepModule.forRoot()` beside it.
 * Several replicas may all import it: each due time is run by one of them.
 */
@Module({ imports: [ScheduleModule.forRoot()], providers: [Scheduler], exports: [Scheduler] })
export class PgkeepScheduleModule {}
