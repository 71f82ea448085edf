/** The library's public face. */
export { PgkeepModule, type AsyncModuleOptions, type ModuleOptions } from './pgkeep.module.js';
export { PgkeepHttpModule } from './http/pgkeep-http.module.js';
export { PgkeepDashboardModule } from './dashboard/dashboard.module.js';
export { OverviewService } from './overview/overview.service.js';
export type { AttentionItem, Fact, Overview, UpcomingItem } from './overview/overview.types.js';
export { readSettings, type Environment } from './config/read-settings.js';
export type { AsyncSettings } from './config/settings.module.js';
export type { PasswordCallback } from './config/password-source.js';
export type { PrismaConfiguration, PrismaProject } from './config/prisma-project.js';
export { withPrismaProject, type ProjectOptions } from './migrations/prisma-config/with-prisma-project.js';
export {
  ENVIRONMENTS,
  GATES,
  type BackupSettings,
  type DatabaseSettings,
  type DeploySettings,
  type DetailLevel,
  type EncryptionSettings,
  type EnvironmentName,
  type Gate,
  type HttpSettings,
  type GcsBucketSettings,
  type OffsiteSettings,
  type ReadinessSettings,
  type RestoreSettings,
  type S3BucketSettings,
  type Settings,
} from './config/settings.js';
export { SETTINGS } from './config/settings.token.js';
export {
  PgkeepError,
  /** @deprecated since 0.2: the name before `PgkeepError`. */
  PgkeepError as KeepError,
  type ErrorCode,
  type ErrorKind,
} from './core/errors.js';
export { BackupService } from './backup/backup.service.js';
export { ExportService } from './backup/export/export.service.js';
export { GlobalsService } from './backup/globals/globals.service.js';
export type { ArchiveEncryption } from './backup/backup.types.js';
export type {
  BackupEntry,
  BackupList,
  BackupOptions,
  BackupProgress,
  BackupReason,
  BackupReport,
  CopyFinding,
  GlobalsReport,
  Manifest,
  PinOptions,
  PinReport,
  ProgressListener,
  UnreachablePlace,
  UploadReport,
  VerificationFinding,
  VerificationReport,
} from './backup/backup.types.js';
export type { ExportedTable, ExportOptions, ExportReport } from './backup/export/export.service.js';
export type { Omission, OmissionKind } from './backup/omissions.js';
/** @deprecated since 0.2: the names before `AuditLog…` and `MaintenanceService`. */
export { AuditLogService as ChangelogService } from './audit-log/audit-log.service.js';
export type {
  AuditLogEntry as ChangelogEntry,
  AuditLogReport as ChangelogReport,
} from './audit-log/audit-log.types.js';
export { MaintenanceService as UpkeepService } from './maintenance/maintenance.service.js';
export { AuditLogService } from './audit-log/audit-log.service.js';
export type {
  ChainFinding,
  ChainReport,
  AuditLogEntry,
  AuditLogReport,
  Action,
  NewEntry,
  Recording,
} from './audit-log/audit-log.types.js';
export { Clock } from './core/clock.js';
export { DatabaseService, type PoolCounts } from './postgres/database.service.js';
export { DeployService, ResolveService, RollbackService } from './deploy/deploy.service.js';
export type {
  Choice,
  MigrationState,
  ResolveExplanation,
  ResolveOptions,
  ResolveReport,
} from './deploy/resolve/resolve.types.js';
export type {
  MeasuredLoss,
  RollbackOptions,
  RollbackPlan,
  RollbackReport,
} from './deploy/rollback/rollback.types.js';
export type {
  DeployOptions,
  DeployPlan,
  DeployReport,
  LostRows,
  PlannedMigration,
  PlannedTable,
  ShrunkTable,
} from './deploy/deploy/deploy.types.js';
export { DriftService } from './drift/drift.service.js';
export type {
  AcceptReport,
  DriftedObject,
  DriftLook,
  DriftReport,
  RecordedFingerprint,
  SchemaComparison,
} from './drift/drift.types.js';
export { EnvironmentService } from './environment/environment.service.js';
export { InstallService } from './install/install.service.js';
export { StampService } from './environment/stamp.service.js';
export type { InstallReport } from './install/install.service.js';
export type { StampOptions, StampReport } from './environment/environment.types.js';
export { LintService } from './migrations/lint/lint.service.js';
export type {
  AcceptedEditReport,
  BaselineReport,
  LintOptions,
  LintRun,
} from './migrations/lint/lint.types.js';
export type {
  Finding as LintFinding,
  LintReport,
  Severity,
  WaivedFinding,
} from './migrations/lint/lint.types.js';
export { MonitoringService } from './monitoring/monitoring.service.js';
export type { MonitoringFinding, MonitoringReport } from './monitoring/monitoring.types.js';
export { MetricsService } from './metrics/metrics.service.js';
export { PolicyService } from './policy/policy.service.js';
export { PrivacyService } from './privacy/privacy.service.js';
export type {
  HoldReport,
  PrivacyLog,
  Receipt as PrivacyReceipt,
  SubjectExport,
} from './privacy/privacy.types.js';
export { CleanupService } from './privacy/cleanup/cleanup.service.js';
export type { CleanupOptions, CleanupReport } from './privacy/cleanup/cleanup.types.js';
export { MigrationsService } from './migrations/migrations.service.js';
export type { MigrationStatus, MigrationsReport } from './migrations/migrations.types.js';
export type { CheckResult, ReadinessCheck } from './readiness/application-checks.js';
export * from './readiness/checks.js';
export { ReadinessMonitor } from './readiness/readiness-monitor.js';
export { ReadinessService } from './readiness/readiness.service.js';
export type { CheckView, Evaluation, Verdict } from './readiness/readiness.types.js';
export { RestoreService } from './restore/restore/restore.service.js';
export type {
  Restoration,
  RestoreOptions,
  RestorePlan,
  TablesRestoration,
} from './restore/restore/restore.types.js';
export { RestoreTestService } from './restore/test/restore-test.service.js';
export type { Comparison } from './restore/comparison/comparison.js';
export type {
  RestoreTestHistory,
  RestoreTestOptions,
  RestoreTestReport,
} from './restore/test/restore-test.types.js';
export { JobsService } from './jobs/jobs.service.js';
export type { JobRun, RunError, RunState, RunTrigger } from './jobs/jobs.types.js';
export { StatsService } from './stats/stats.service.js';
export type { ConnectionStats, DatabaseStats, RowCounting, TableStats } from './stats/stats.types.js';
export type { JobName } from './maintenance/job-definitions.js';
export { MaintenanceService } from './maintenance/maintenance.service.js';
export type { JobsOverview, JobView } from './maintenance/maintenance.types.js';
