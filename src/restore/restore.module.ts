import { Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { ErasureModule } from '../privacy/erasure.module.js';
import { RestoreService } from './restore/restore.service.js';
import { RestoreTestService } from './test/restore-test.service.js';

@Module({
  imports: [BackupModule, ClockModule, DatabaseModule, ErasureModule],
  providers: [RestoreService, RestoreTestService],
  exports: [RestoreService, RestoreTestService],
})
export class RestoreModule {}
