import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { BackupService } from './backup.service.js';
import { ExportService } from './export/export.service.js';
import { GlobalsService } from './globals/globals.service.js';

@Module({
  imports: [AuditLogModule, ClockModule, DatabaseModule, StorageModule],
  providers: [BackupService, GlobalsService, ExportService],
  exports: [BackupService, GlobalsService, ExportService],
})
export class BackupModule {}
