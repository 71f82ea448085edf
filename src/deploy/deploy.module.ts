import { Module } from '@nestjs/common';
import { BackupModule } from '../backup/backup.module.js';
import { AuditLogModule } from '../audit-log/audit-log.module.js';
import { ClockModule } from '../core/clock.module.js';
import { DatabaseModule } from '../postgres/database.module.js';
import { DriftModule } from '../drift/drift.module.js';
import { MigrationsModule } from '../migrations/migrations.module.js';
import { DeployDependencies } from './deploy-dependencies.js';
import { DeployService } from './deploy/deploy.service.js';
import { ResolveService } from './resolve/resolve.service.js';
import { RollbackService } from './rollback/rollback.service.js';

@Module({
  imports: [BackupModule, AuditLogModule, ClockModule, DatabaseModule, DriftModule, MigrationsModule],
  providers: [DeployDependencies, DeployService, RollbackService, ResolveService],
  exports: [DeployService, RollbackService, ResolveService],
})
export class DeployModule {}
