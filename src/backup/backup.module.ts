import { Module } from '@nestjs/common';
import { ChangelogModule } from '../changelog/changelog.module.js';
import { ClockModule } from '../clock/clock.module.js';
import { DatabaseModule } from '../database/database.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { BackupService } from './backup.service.js';

@Module({
  imports: [ChangelogModule, ClockModule, DatabaseModule, StorageModule],
  providers: [BackupService],
  exports: [BackupService],
})
export class BackupModule {}
