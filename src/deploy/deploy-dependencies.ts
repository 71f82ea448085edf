import type { AuditLogService } from '../audit-log/audit-log.service.js';
import type { BackupService } from '../backup/backup.service.js';
import type { Settings } from '../config/settings.js';
import type { Clock } from '../core/clock.js';
import type { DriftService } from '../drift/drift.service.js';
import type { MigrationsService } from '../migrations/migrations.service.js';
import type { ReadTimeouts } from '../postgres/read.js';

/** What a rollback needs of other modules. */
export type RollbackDependencies = Omit<DeployDependencies, 'lint'>;

/** What a deploy needs of other modules. */
export interface DeployDependencies {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  readonly clock: Clock;
  readonly migrations: MigrationsService;
  readonly backups: BackupService;
  readonly changelog: AuditLogService;
  readonly drift: DriftService;
}
