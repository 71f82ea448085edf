import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import type { Recording } from '../../audit-log/audit-log.types.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { backupError } from '../backup-error.js';

/** Where an export goes, and who asked for it. */
export interface ExportOptions {
  /** Defaults to a new directory below the working directory. */
  readonly directory?: string | undefined;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Aborting it ends the export; no file is left. */
  readonly signal?: AbortSignal;
}

/** One table as a CSV file: UTF-8, with a header line; NULL is empty, without quotes. */
export interface ExportedTable {
  /** schema.table, quoted if SQL needs it. */
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
}

/** The result of `pgkeep backup export`. */
export interface ExportReport extends Recording {
  readonly directory: string;
  readonly tables: readonly ExportedTable[];
}

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
