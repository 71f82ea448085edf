import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { backupError } from '../backup-error.js';
import type { ExportOptions, ExportReport } from './export.types.js';

/** Writes named tables as CSV: for a spreadsheet, or for another database. A backup it is not. */
@Injectable()
export class ExportService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly changelog: AuditLogService,
  ) {}

  /**
   * Exports them all as they were at one moment, into files that only their owner reads. The record names the
   * tables: their rows leave the database.
   * @param tables as `table` or `schema.table`
   * @throws PgkeepError `TABLE_NOT_FOUND`, `STORAGE_…`, `DATABASE_…`; no file of an export that failed is left.
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
      const recording = await this.changelog.recordDone({ action: 'export', subject, details, actor });
      return { ...report, ...recording };
    } catch (error) {
      throw backupError(`export from ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    }
  }
}
