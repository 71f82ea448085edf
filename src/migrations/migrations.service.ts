import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { ReadTimeouts } from '../postgres/read.js';
import {
  compareMigrations,
  MigrationDirectory,
  OWN_MIGRATIONS_DIRECTORY,
} from './history/migration-directory.js';
import { PrismaHistory } from './history/prisma-history.js';
import { type ChangedFile, EditVerdicts } from './lint/edited-files.js';
import type {
  DirectoryMigration,
  HistoryRow,
  MigrationsFault,
  MigrationsReport,
  MigrationStatus,
} from './migrations.types.js';

/** In pgkeep's own clone, the default `prisma/migrations` would compare the application with pgkeep's own migrations. */
const OWN_DIRECTORY_FAULT: MigrationsFault = {
  code: 'MIGRATIONS_DIRECTORY_IS_PGKEEPS',
  text: `The migrations directory ${OWN_MIGRATIONS_DIRECTORY} is pgkeep’s own, not the application’s`,
  hint: 'Set MIGRATIONS_DIR to the guarded application’s prisma/migrations.',
};

/** Facts about the guarded application's migrations. */
@Injectable()
export class MigrationsService {
  private readonly directory: MigrationDirectory;
  private readonly isOwn: boolean;
  private readonly history: PrismaHistory;
  private readonly edits: EditVerdicts;

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly database: DatabaseService,
  ) {
    this.directory = new MigrationDirectory(settings.migrationsDirectory);
    this.edits = new EditVerdicts(settings.migrationsDirectory);
    this.isOwn = settings.migrationsDirectory === OWN_MIGRATIONS_DIRECTORY;
    this.history = new PrismaHistory(settings.database.url.schema);
  }

  /**
   * Compares this build's directory with the database's history, in one query. Files that changed
   * are compared in the background: those that are not compared yet are `unjudged`.
   * @throws what the connection throws; a directory or history that cannot be judged is a fault, not an error.
   */
  async report(client: ClientBase, timeouts: ReadTimeouts): Promise<MigrationsReport> {
    if (this.isOwn) return { fault: OWN_DIRECTORY_FAULT };
    const [directory, history] = await Promise.all([
      this.directory.read(),
      this.history.read(client, timeouts),
    ]);
    if ('code' in directory) return { fault: directory };
    if ('code' in history) return { fault: history };
    const status = compareMigrations(directory, history.rows ?? []);
    const changed = changedFiles(status.edited, directory, history.rows ?? []);
    const { edited, unjudged } = this.edits.byVerdict(changed);
    return { history, status: { ...status, edited }, changed: status.edited, unjudged };
  }

  /**
   * The status on a pooled connection.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE` when directory or history cannot be judged, or a `DATABASE_…` code.
   */
  async requireStatus(): Promise<Extract<MigrationsReport, { status: MigrationStatus }>> {
    const first = await this.reportOnPool();
    await this.edits.settled();
    const report = 'status' in first && first.changed.length > 0 ? await this.reportOnPool() : first;
    if ('status' in report) {
      // What could not be compared is not known to be harmless.
      const edited = [...report.status.edited, ...report.unjudged].toSorted();
      return { ...report, status: { ...report.status, edited }, unjudged: [] };
    }
    throw new PgkeepError('MIGRATIONS_UNREADABLE', `${report.fault.text}.`, { hint: report.fault.hint });
  }

  private async reportOnPool(): Promise<MigrationsReport> {
    const { primary, timeouts } = this.database;
    try {
      return await this.database.withPooled(primary, (client) => this.report(client, timeouts));
    } catch (error) {
      throw databaseError('read the migration history', error);
    }
  }
}

function changedFiles(
  names: readonly string[],
  directory: readonly DirectoryMigration[],
  rows: readonly HistoryRow[],
): ChangedFile[] {
  return names.flatMap((name) => {
    const checksum = directory.find((migration) => migration.name === name)?.checksums[0];
    const applied = rows.findLast((row) => row.name === name && row.finished && !row.rolledBack);
    return checksum !== undefined && applied ? [{ name, checksum, applied }] : [];
  });
}
