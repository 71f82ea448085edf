import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { backupError } from '../backup-error.js';
import type { ExportOptions, ExportReport } from './export.types.js';

/** Exports tables as CSV, for a spreadsheet or another database. An export is not a backup. */
@Injectable()
export class ExportService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly auditLog: AuditLogService,
  ) {}

  /**
   * Exports tables from one snapshot into files that only their owner can read. The audit log names the tables, because
   * their rows leave the database.
   * @param tables as `table` or `schema.table`
   * @throws PgkeepError `TABLE_NOT_FOUND`, `STORAGE_…`, `DATABASE_…`; no file of a failed export is left.
   */
  async export(
    tables: readonly string[],
    { directory, actor = operator(), signal = new AbortController().signal }: ExportOptions = {},
  ): Promise<ExportReport> {
    const { settings, clock } = this;
    const { exportTables } = await import('./export-tables.js');
    try {
      const report = await exportTables({ settings, clock, tables, directory, signal });
      const details = { tables: report.tables.map(({ name, rows }) => ({ name, rows })) };
      const subject = settings.database.url.database;
      const recording = await this.auditLog.recordDone({ action: 'export', subject, details, actor });
      return { ...report, ...recording };
    } catch (error) {
      throw backupError(`export from ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    }
  }
}
