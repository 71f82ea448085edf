import { Module } from '@nestjs/common';
import { PolicyModule } from '../policy/policy.module.js';
import { StorageModule } from '../storage/storage.module.js';
import { LedgerService } from './ledger/ledger.service.js';

@Module({
  imports: [PolicyModule, StorageModule],
  providers: [LedgerService],
  exports: [LedgerService],
})
export class PrivacyModule {}
