import { Module, type DynamicModule } from '@nestjs/common';
import { BackupModule } from './backup/backup.module.js';
import { AuditLogModule } from './audit-log/audit-log.module.js';
import type { Settings } from './config/settings.js';
import { SettingsModule, type AsyncSettings, type ModuleOptions } from './config/settings.module.js';
import { DatabaseModule } from './postgres/database.module.js';
import { DeployModule } from './deploy/deploy.module.js';
import { DoctorModule } from './doctor/doctor.module.js';
import { DriftModule } from './drift/drift.module.js';
import { EnvironmentModule } from './environment/environment.module.js';
import { InstallModule } from './install/install.module.js';
import { MigrationsModule } from './migrations/migrations.module.js';
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
  RetentionModule,
  ReadinessModule,
  StatsModule,
  MaintenanceModule,
  DoctorModule,
];

/**
 * pgkeep as a module of a Nest application: brings the services of its app, no routes and no scheduled work.
 * For the routes import `PgkeepHttpModule` as well.
 */
@Module({})
export class PgkeepModule {
  /** With settings read by `readSettings(process.env)` or any other record. */
  static forRoot(settings: Settings, options?: ModuleOptions): DynamicModule {
    return this.withSettings(SettingsModule.of(settings, options));
  }

  /** With settings that the application's own providers make. */
  static forRootAsync(options: AsyncSettings): DynamicModule {
    return this.withSettings(SettingsModule.ofAsync(options));
  }

  private static withSettings(settings: DynamicModule): DynamicModule {
    return {
      module: PgkeepModule,
      global: true,
      imports: [settings, ...MODULES],
      exports: [settings, ...MODULES],
    };
  }
}
