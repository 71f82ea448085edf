import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { AccessService } from './access.service.js';
import { FailedLogins } from './failed-logins.js';
import { FailureThrottle } from './failure-throttle.js';

@Module({
  imports: [ClockModule],
  providers: [AccessService, FailedLogins, FailureThrottle],
  exports: [AccessService, FailedLogins],
})
export class AccessModule {}
