import { Module } from '@nestjs/common';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { BackupModule } from '../backup/backup.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DriftModule } from '../drift/drift.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { PolicyModule } from '../policy/policy.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { DeployDependencies } from './deploy-connection.js';
import { DeployService, ResolveService, RollbackService } from './deploy.service.js';

@Module({
  imports: [
    BackupModule,
    AuditLogModule,
    ClockModule,
    DatabaseModule,
    DriftModule,
    MigrationsModule,
    PolicyModule,
  ],
  providers: [DeployDependencies, DeployService, RollbackService, ResolveService],
  exports: [DeployService, RollbackService, ResolveService],
})
export class DeployModule {}
