import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { backupError } from '../../backup/backup-error.js';
import { BackupService } from '../../backup/backup.service.js';
import { isSafetyBackup } from '../../backup/backup.types.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { databaseError } from '../../postgres/database-fault.js';
import { DatabaseService } from '../../postgres/database.service.js';
import type { RestoreTestHistory, RestoreTestOptions, RestoreTestReport } from './restore-test.types.js';

/** Proves backups: restores one, compares, and keeps the evidence. */
@Injectable()
export class RestoreTestService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly backups: BackupService,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Restores one backup beside the guarded database, never into it, and compares everything that its manifest says.
   * A backup that does not pass is a verdict, not an error; so is a test that ran into its limit. The evidence is
   * kept beside the backup, and in the guarded database where that can be written.
   * @throws PgkeepError where no test could be made: `BACKUP_NOT_FOUND`, `RESTORE_REFUSED`, `SCRATCH_UNAVAILABLE`,
   *   `BACKUP_TOOLS_MISSING`, `CLUSTER_FAILED`, `STORAGE_…`, `DATABASE_…`; `INTERRUPTED`.
   */
  async run({
    backup,
    signal = new AbortController().signal,
    actor = operator(),
  }: RestoreTestOptions = {}): Promise<RestoreTestReport> {
    const { settings, backups, clock, database } = this;
    const name = backup ?? (await this.newest());
    // Loaded only here: a service that starts tests nothing, and each file costs its start.
    const { testBackup } = await import('./test-backup.js');
    try {
      return await testBackup({ settings, backups, clock, database }, { name, signal, actor });
    } catch (error) {
      throw backupError(`test the restore of ${name}`, error, signal);
    }
  }

  /**
   * The newest tests that the guarded database knows, and whether the chain of their evidence is whole.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async list(limit = 20): Promise<RestoreTestHistory> {
    const { readHistory } = await import('./evidence.js');
    const { primary, timeouts } = this.database;
    try {
      const history = await this.database.withPooled(primary, (client) =>
        readHistory(client, limit, timeouts),
      );
      if (history) return history;
    } catch (error) {
      throw databaseError(
        `read the restore tests of ${describeDatabaseUrl(this.settings.database.url)}`,
        error,
      );
    }
    throw new PgkeepError(
      'NOT_INSTALLED',
      'Cannot read the restore tests: the database has no table pgkeep.restore_test.',
      { hint: 'Run `pgkeep install`.' },
    );
  }

  private async newest(): Promise<string> {
    const { environment } = this.settings;
    const { database } = this.settings.database.url;
    const { backups } = await this.backups.list();
    const own = backups.filter((entry) => entry.database === database && entry.environment === environment);
    // A safety backup may be of a damaged database: that it restores says little about the backups to restore from.
    const newest = own.find(({ reason }) => !isSafetyBackup(reason)) ?? own[0];
    if (newest) return newest.name;
    throw new PgkeepError(
      'BACKUP_NOT_FOUND',
      `There is no backup of database "${database}" as ${environment} to test.`,
      { hint: 'Make one: `pgkeep backup`; or name one: `pgkeep backup list` shows all.' },
    );
  }
}
