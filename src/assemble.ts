import type { DynamicModule, ModuleMetadata, Type } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { AuditLogModule } from './audit-log/audit-log.module.js';
import { BackupModule } from './backup/backup.module.js';
import type { PasswordCallback } from './config/password-source.js';
import { SettingsModule } from './config/settings.module.js';
import { DriftModule } from './drift/drift.module.js';
import { EnvironmentModule } from './environment/environment.module.js';
import { InstallModule } from './install/install.module.js';
import { MaintenanceModule } from './maintenance/maintenance.module.js';
import { MigrationsModule } from './migrations/migrations.module.js';
import { PolicyModule } from './policy/policy.module.js';
import { DatabaseModule } from './postgres/database.module.js';
import { ErasureModule } from './privacy/erasure.module.js';
import { ApplicationChecksModule, type ReadinessCheck } from './readiness/application-checks.js';
import { ReadinessModule } from './readiness/readiness.module.js';
import { RestoreModule } from './restore/restore.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { StatsModule } from './stats/stats.module.js';

/** What the routes and the schedule use. The service loads only these: what it loads delays its first answer. */
export const SERVICE_MODULES = [
  DatabaseModule,
  MigrationsModule,
  EnvironmentModule,
  AuditLogModule,
  InstallModule,
  BackupModule,
  RestoreModule,
  DriftModule,
  PolicyModule,
  ErasureModule,
  RetentionModule,
  ReadinessModule,
  StatsModule,
  MaintenanceModule,
  AccessModule,
] as const;

/** What an application passes beside the settings. */
export interface ModuleOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Returns the password of each new connection to a URL that holds none: a cloud's token, which expires. */
  readonly password?: PasswordCallback | undefined;
  /** The application's own checks, which become part of `/ready`. Each is a provider: it may inject others. */
  readonly checks?: readonly Type<ReadinessCheck>[];
  /** Modules that export what the checks, or the factory of the settings, inject. */
  readonly imports?: ModuleMetadata['imports'];
}

/**
 * Returns a global module that exports `modules`, the settings and the application's checks.
 * @param definition what Nest's builder made of the settings
 */
export function assemble(
  definition: DynamicModule,
  modules: readonly Type[],
  { password, checks, imports }: ModuleOptions = {},
): DynamicModule {
  const all = [
    SettingsModule.of(definition, password),
    ApplicationChecksModule.of({ checks, imports }),
    ...modules,
  ];
  return { module: definition.module, global: true, imports: all, exports: all };
}
