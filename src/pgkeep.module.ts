import { Module, type DynamicModule, type ModuleMetadata, type Type } from '@nestjs/common';
import { BackupModule } from './backup/backup.module.js';
import { AuditLogModule } from './audit-log/audit-log.module.js';
import type { Settings } from './config/settings.js';
import type { PasswordCallback } from './config/password-source.js';
import { ConfigurableModuleClass, SettingsModule, type AsyncSettings } from './config/settings.module.js';
import { DatabaseModule } from './postgres/database.module.js';
import { DeployModule } from './deploy/deploy.module.js';
import { DoctorModule } from './doctor/doctor.module.js';
import { DriftModule } from './drift/drift.module.js';
import { EnvironmentModule } from './environment/environment.module.js';
import { InstallModule } from './install/install.module.js';
import { MigrationsModule } from './migrations/migrations.module.js';
import { PolicyModule } from './policy/policy.module.js';
import { PrivacyModule } from './privacy/privacy.module.js';
import { ApplicationChecksModule, type ReadinessCheck } from './readiness/application-checks.js';
import { ReadinessModule } from './readiness/readiness.module.js';
import { RestoreModule } from './restore/restore.module.js';
import { RetentionModule } from './retention/retention.module.js';
import { StatsModule } from './stats/stats.module.js';
import { MaintenanceModule } from './maintenance/maintenance.module.js';

const MODULES = [
  DatabaseModule,
  MigrationsModule,
  EnvironmentModule,
  AuditLogModule,
  InstallModule,
  BackupModule,
  RestoreModule,
  DriftModule,
  DeployModule,
  PolicyModule,
  PrivacyModule,
  RetentionModule,
  ReadinessModule,
  StatsModule,
  MaintenanceModule,
  DoctorModule,
];

/** What an application passes beside the settings. */
export interface ModuleOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Returns the password of each new connection to a URL that holds none: a cloud's token, which expires. */
  readonly password?: PasswordCallback | undefined;
  /** The application's own checks, which become part of `/ready`. Each is a provider: it may inject others. */
  readonly checks?: readonly Type<ReadinessCheck>[];
  /** Modules that export what the checks, or the factory of the settings, inject. */
  readonly imports?: ModuleMetadata['imports'];
}

/** The same, with settings that the application's own providers make. */
export type AsyncModuleOptions = AsyncSettings & ModuleOptions;

/**
 * pgkeep as a module of a Nest application: provides the services of its modules. It adds no routes and no scheduled
 * work; for those import `PgkeepHttpModule` and `PgkeepScheduleModule` as well.
 */
@Module({})
export class PgkeepModule extends ConfigurableModuleClass {
  /** Takes settings that `readSettings(process.env)` has read, from there or from any other record. */
  static override forRoot(settings: Settings, options: ModuleOptions = {}): DynamicModule {
    return assemble(super.forRoot(settings), options);
  }

  /** Takes settings that the application's own providers make: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync({ password, checks, ...settings }: AsyncModuleOptions): DynamicModule {
    return assemble(super.forRootAsync(settings), { password, checks, imports: settings.imports });
  }
}

function assemble(definition: DynamicModule, { password, checks, imports }: ModuleOptions): DynamicModule {
  const modules = [
    SettingsModule.of(definition, password),
    ApplicationChecksModule.of({ checks, imports }),
    ...MODULES,
  ];
  return { module: definition.module, global: true, imports: modules, exports: modules };
}
