import { Module, type DynamicModule } from '@nestjs/common';
import { SessionModule } from './access/session.module.js';
import { AlertsModule } from './alerts/alerts.module.js';
import { assemble, SERVICE_MODULES, type ModuleOptions } from './assemble.js';
import type { Settings } from './config/settings.js';
import { ConfigurableModuleClass, type AsyncSettings } from './config/settings.module.js';
import { DeployModule } from './deploy/deploy.module.js';
import { DoctorModule } from './doctor/doctor.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { MonitoringModule } from './monitoring/monitoring.module.js';
import { OverviewModule } from './overview/overview.module.js';
import { PrivacyModule } from './privacy/privacy.module.js';

export type { ModuleOptions } from './assemble.js';

const MODULES = [
  ...SERVICE_MODULES,
  DeployModule,
  PrivacyModule,
  MonitoringModule,
  AlertsModule,
  OverviewModule,
  MetricsModule,
  SessionModule,
  DoctorModule,
] as const;

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
    return assemble(super.forRoot(settings), MODULES, options);
  }

  /** Takes settings that the application's own providers make: `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync({ password, checks, ...settings }: AsyncModuleOptions): DynamicModule {
    const options = { password, checks, imports: settings.imports };
    return assemble(super.forRootAsync(settings), MODULES, options);
  }
}
