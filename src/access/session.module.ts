import { Module } from '@nestjs/common';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { AccessModule } from './access.module.js';
import { EndedSessions } from './ended-sessions.js';
import { SessionService } from './session.service.js';
import { SignInService } from './sign-in.service.js';

/** Sessions of the pages. The API does not load it. */
@Module({
  imports: [AccessModule, DatabaseModule, ClockModule],
  providers: [EndedSessions, SessionService, SignInService],
  exports: [SessionService, SignInService],
})
export class SessionModule {}
