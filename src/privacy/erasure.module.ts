import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { ClockModule } from '../core/clock.module.js';
import { PolicyModule } from '../policy/policy.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { CleanupService } from './cleanup/cleanup.service.js';
import { LedgerService } from './ledger/ledger.service.js';
import { ReplayService } from './replay/replay.service.js';

const SERVICES = [CleanupService, LedgerService, ReplayService];

/** What schedule, restores and readiness use. What its services do is loaded when they do it. */
@Module({
  imports: [AuditLogModule, ClockModule, DatabaseModule, PolicyModule, StorageModule],
  providers: SERVICES,
  exports: SERVICES,
})
export class ErasureModule {}
