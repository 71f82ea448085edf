import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { LedgerWatch } from './ledger-watch.js';
import { Scheduler } from './scheduler.js';

/**
 * Runs the schedule: backups by `BACKUP_SCHEDULE`, where `BACKUP_ENABLED=true`. Needs `PgkeepModule.forRoot()` beside it.
 * All replicas may import it: one of them runs each due time.
 */
@Module({ imports: [ScheduleModule.forRoot()], providers: [Scheduler, LedgerWatch], exports: [Scheduler] })
export class PgkeepScheduleModule {}
