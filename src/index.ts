/** The library's public face. */
export { PgkeepModule } from './pgkeep.module.js';
export { PgkeepHttpModule } from './http/pgkeep-http.module.js';
export { readSettings, type Environment } from './config/read-settings.js';
export type { AsyncSettings } from './config/settings.module.js';
export {
  CHECK_NAMES,
  ENVIRONMENTS,
  GATES,
  type BackupSettings,
  type CheckName,
  type DatabaseSettings,
  type DetailLevel,
  type EnvironmentName,
  type Gate,
  type HttpSettings,
  type ReadinessSettings,
  type Settings,
} from './config/settings.js';
export { SETTINGS } from './config/settings.token.js';
export { CHECK_CODES, KeepError, type CheckCode, type ErrorCode, type ErrorKind } from './errors.js';
export { BackupService } from './backup/backup.service.js';
export type {
  BackupEntry,
  BackupList,
  BackupOptions,
  BackupReason,
  BackupReport,
  Manifest,
  VerificationFinding,
  VerificationReport,
} from './backup/backup.types.js';
export { ChangelogService } from './changelog/changelog.service.js';
export type {
  ChainFinding,
  ChainReport,
  ChangelogEntry,
  ChangelogReport,
  Deed,
  NewEntry,
} from './changelog/changelog.types.js';
export { Clock } from './clock/clock.js';
export { DatabaseService, type PoolCounts } from './database/database.service.js';
export { EnvironmentService } from './environment/environment.service.js';
export { InstallService } from './install/install.service.js';
export { StampService } from './install/stamp.service.js';
export type { InstallReport, StampOptions, StampReport } from './install/install.types.js';
export { LintService } from './migrations/lint/lint.service.js';
export type { BaselineReport, LintOptions, LintRun } from './migrations/lint/lint-run.types.js';
export type {
  Finding as LintFinding,
  LintReport,
  Severity,
  WaivedFinding,
} from './migrations/lint/lint.types.js';
export { MigrationsService } from './migrations/migrations.service.js';
export type { MigrationStatus, MigrationsReport } from './migrations/migrations.types.js';
export { ReadinessMonitor } from './readiness/readiness-monitor.service.js';
export { ReadinessService } from './readiness/readiness.service.js';
export type { CheckView, Evaluation, Verdict } from './readiness/readiness.types.js';
export { StatsService } from './stats/stats.service.js';
export type { ConnectionStats, DatabaseStats, RowCounting, TableStats } from './stats/stats.types.js';
