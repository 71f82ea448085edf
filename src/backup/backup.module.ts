import { Module } from '@nestjs/common';
import { ChangelogModule } from '../audit-log/changelog.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
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
