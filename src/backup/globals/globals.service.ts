import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { BACKUP_STORAGE, type BackupStorage } from '../../storage/storage.types.js';
import { backupError } from '../backup-error.js';
import type { BackupOptions, GlobalsReport } from '../backup.types.js';

/** Dumps what belongs to the server and is in no backup of a database: roles, memberships, tablespaces. */
@Injectable()
export class GlobalsService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly auditLog: AuditLogService,
  ) {}

  /**
   * Dumps them as SQL into the backup directory, encrypted if backups are, with password hashes if the role may read
   * them.
   * @throws PgkeepError; nothing of a failed dump is left.
   */
  async dump({
    actor = operator(),
    signal = new AbortController().signal,
  }: Pick<BackupOptions, 'actor' | 'signal'> = {}): Promise<GlobalsReport> {
    const { settings, storage, clock } = this;
    const { timeouts } = this.database;
    const { dumpGlobals } = await import('./globals-dump.js');
    try {
      const report = await dumpGlobals({ settings, storage, clock, timeouts, signal });
      const { file, sha256, passwords, encrypted } = report;
      const details = { sha256, passwords, encrypted };
      const recording = await this.auditLog.recordDone({ action: 'globals', subject: file, details, actor });
      return { ...report, ...recording };
    } catch (error) {
      throw backupError(`dump the roles of ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    }
  }
}
