import { Module } from '@nestjs/common';
import { ChangelogModule } from '../changelog/changelog.module.js';
import { ClockModule } from '../clock/clock.module.js';
import { DatabaseModule } from '../database/database.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { BackupService } from './backup.service.js';
import { ExportService } from './export.service.js';
import { GlobalsService } from './globals.service.js';

@Module({
  imports: [ChangelogModule, ClockModule, DatabaseModule, StorageModule],
  providers: [BackupService, GlobalsService, ExportService],
  exports: [BackupService, GlobalsService, ExportService],
})
export class BackupModule {}
