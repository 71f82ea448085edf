import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../../audit-log/append.js';
import { backupError } from '../../backup/backup-error.js';
import { BackupService } from '../../backup/backup.service.js';
import { isSafetyBackup } from '../../backup/backup.types.js';
import { describeDatabaseUrl } from '../../config/database-url.js';
import { isBackupOf } from '../../backup/catalog/backup-name.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { runOnPool } from '../../postgres/connect.js';
import { databaseError } from '../../postgres/database-fault.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { ReplayService } from '../../privacy/replay/replay.service.js';
import { readEvidence, readHistory } from './evidence.js';
import type { RestoreTestHistory, RestoreTestOptions, RestoreTestReport } from './restore-test.types.js';

/** Tests that backups can be restored, and stores the evidence. */
@Injectable()
export class RestoreTestService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly backups: BackupService,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly erasures: ReplayService,
  ) {}

  /**
   * Restores one backup into a scratch database, never into the guarded one, and compares it with the manifest. A backup
   * that fails is a verdict, not an error; so is a test that exceeds its time limit. The evidence is stored beside the
   * backup, and in the guarded database if that can be written.
   * @throws PgkeepError if no test was possible: `BACKUP_NOT_FOUND`, `RESTORE_REFUSED`, `SCRATCH_UNAVAILABLE`,
   *   `BACKUP_TOOLS_MISSING`, `CLUSTER_FAILED`, `STORAGE_…`, `DATABASE_…`; `INTERRUPTED`.
   */
  async run({
    backup,
    signal = new AbortController().signal,
    actor = operator(),
  }: RestoreTestOptions = {}): Promise<RestoreTestReport> {
    const { settings, backups, clock, database, erasures } = this;
    const name = backup ?? (await this.newest());
    // Loaded only here, because a service does not need it at its start.
    const { testBackup } = await import('./test-backup.js');
    try {
      return await testBackup({ settings, backups, clock, database, erasures }, { name, signal, actor });
    } catch (error) {
      throw backupError(`test the restore of ${name}`, error, signal);
    }
  }

  /**
   * Lists the newest tests that are recorded in the guarded database, and verifies the chain of evidence.
   * @throws PgkeepError `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async list(limit = 20): Promise<RestoreTestHistory> {
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
      'Cannot read the restore tests: table pgkeep.restore_test does not exist.',
      { hint: 'Run `pgkeep install`.' },
    );
  }

  /**
   * Returns the report of one test that is recorded in the guarded database.
   * @throws PgkeepError `RECORD_NOT_FOUND`, or a `DATABASE_…` code.
   */
  async report(number: number): Promise<RestoreTestReport> {
    const { timeouts } = this.database;
    const operation = `read the restore test ${number} of ${describeDatabaseUrl(this.settings.database.url)}`;
    const isNumber = Number.isSafeInteger(number) && number > 0;
    const report = isNumber
      ? await runOnPool(this.database, operation, (client) => readEvidence(client, number, timeouts))
      : undefined;
    if (report) return report;
    throw new PgkeepError('RECORD_NOT_FOUND', 'There is no restore test of this number.', {
      hint: '`pgkeep restore history` lists them.',
    });
  }

  private async newest(): Promise<string> {
    const { environment } = this.settings;
    const { database } = this.settings.database.url;
    const { backups } = await this.backups.list();
    const own = backups.filter((entry) => isBackupOf(entry, database, environment));
    // A safety backup may be of a damaged database, and is not what a person would restore.
    const newest = own.find(({ reason }) => !isSafetyBackup(reason)) ?? own[0];
    if (newest) return newest.name;
    throw new PgkeepError(
      'BACKUP_NOT_FOUND',
      `Cannot test a restore: there is no backup of database "${database}" in environment ${environment}.`,
      { hint: 'Create one with `pgkeep backup`, or name one: `pgkeep backup list` shows all.' },
    );
  }
}
