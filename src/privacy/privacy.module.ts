import { Module } from '@nestjs/common';
import { PolicyModule } from '../policy/policy.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { LedgerService } from './ledger/ledger.service.js';
import { ReplayService } from './replay/replay.service.js';

@Module({
  imports: [PolicyModule, StorageModule],
  providers: [LedgerService, ReplayService],
  exports: [LedgerService, ReplayService],
})
export class PrivacyModule {}
