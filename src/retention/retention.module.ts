import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { RetentionService } from './retention.service.js';

@Module({
  imports: [BackupModule, AuditLogModule, ClockModule, DatabaseModule, StorageModule],
  providers: [RetentionService],
  exports: [RetentionService],
})
export class RetentionModule {}
