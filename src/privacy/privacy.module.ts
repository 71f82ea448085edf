import { Module } from '@nestjs/common';
import { PolicyModule } from '../policy/policy.module.js';
import { PrivacyService } from './privacy.service.js';

@Module({
  imports: [PolicyModule],
  providers: [PrivacyService],
  exports: [PrivacyService],
})
export class PrivacyModule {}
