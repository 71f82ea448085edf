import { Module } from '@nestjs/common';
import { ChangelogModule } from '../changelog/changelog.module.js';
import { ClockModule } from '../clock/clock.module.js';
import { DatabaseModule } from '../database/database.module.js';
import { DdlGuardService } from './ddl-guard.service.js';
import { InstallService } from './install.service.js';
import { StampService } from './stamp.service.js';
import { StartupInstall } from './startup-install.service.js';

@Module({
  imports: [ChangelogModule, ClockModule, DatabaseModule],
  providers: [DdlGuardService, InstallService, StampService, StartupInstall],
  exports: [DdlGuardService, InstallService, StampService, StartupInstall],
})
export class InstallModule {}
