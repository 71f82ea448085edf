import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { ClockModule } from '../core/clock.module.js';
import { StampService } from '../environment/stamp.service.js';
import { DdlGuardService } from '../guard/ddl/ddl-guard.service.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { InstallService, StartupInstall } from './install.service.js';

@Module({
  imports: [AuditLogModule, ClockModule, DatabaseModule],
  providers: [DdlGuardService, InstallService, StampService, StartupInstall],
  exports: [DdlGuardService, InstallService, StampService, StartupInstall],
})
export class InstallModule {}
