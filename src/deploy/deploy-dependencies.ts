import type { AuditLogService } from '../audit-log/audit-log.service.js';
import type { BackupService } from '../backup/backup.service.js';
import type { Settings } from '../config/settings.js';
import type { Clock } from '../core/clock.js';
import type { DriftService } from '../drift/drift.service.js';
import type { MigrationsService } from '../migrations/migrations.service.js';
import type { ReadTimeouts } from '../postgres/read.js';

/** What a rollback needs of the other app. */
export type RollbackNeeds = Omit<DeployNeeds, 'lint'>;

/** What a deploy needs of the other app. */
export interface DeployNeeds {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  readonly clock: Clock;
  readonly migrations: MigrationsService;
  readonly backups: BackupService;
  readonly changelog: AuditLogService;
  readonly drift: DriftService;
}
