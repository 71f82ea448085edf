import { Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { PrivacyModule } from '../privacy/privacy.module.js';
import { RestoreService } from './restore/restore.service.js';
import { RestoreTestService } from './test/restore-test.service.js';

@Module({
  imports: [BackupModule, ClockModule, DatabaseModule, PrivacyModule],
  providers: [RestoreService, RestoreTestService],
  exports: [RestoreService, RestoreTestService],
})
export class RestoreModule {}
