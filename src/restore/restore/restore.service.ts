import { Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../../backup/backup.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { ReplayService } from '../../privacy/replay/replay.service.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Restoration, RestoreOptions, RestorePlan, TablesRestoration } from './restore.types.js';

/** Restores backups: into a new database, which is compared with the backup and then replaces the old one. */
@Injectable()
export class RestoreService {
  /** What archives require, by their sha256: a plan and the restore after it read the archive once. */
  readonly knownNeeds = new Map<string, ArchiveNeeds>();

  constructor(
    @Inject(SETTINGS) readonly settings: Settings,
    readonly backups: BackupService,
    readonly clock: Clock,
    readonly database: DatabaseService,
    readonly erasures: ReplayService,
  ) {}

  /**
   * Returns what a restore would do. Changes nothing.
   * @throws PgkeepError `RESTORE_REFUSED` if the role or the backup does not allow it; `BACKUP_NOT_FOUND`,
   *   `STORAGE_…`, `DATABASE_…`.
   */
  async plan(options: RestoreOptions): Promise<RestorePlan> {
    const { Restore } = await import('./restore.js');
    return await new Restore(this, options).plan();
  }

  /**
   * Backs up the old database, restores into a new one, compares it as a restore test does, and swaps the names. The old
   * database is kept under another name. If there is none, it is created.
   * @throws PgkeepError `RESTORE_REFUSED` (nothing was changed), `RESTORE_FAILED`, `BACKUP_…`, `STORAGE_…`,
   *   `DATABASE_…`, `INTERRUPTED`: the database was not changed.
   */
  async restore(options: RestoreOptions): Promise<Restoration> {
    const { Restore } = await import('./restore.js');
    return await this.whileClaimed(options, () => new Restore(this, options).perform());
  }

  /**
   * Restores the rows of some tables into an additional database, with the definitions of everything. The database in
   * use is not changed.
   * @param into the name of a database that does not exist yet
   * @throws PgkeepError `USAGE_INVALID`, `RESTORE_REFUSED`, `RESTORE_FAILED`, `BACKUP_…`, `STORAGE_…`, `DATABASE_…`.
   */
  async restoreTables(
    options: Pick<RestoreOptions, 'source' | 'progress' | 'signal' | 'withoutErasures'> & {
      tables: readonly string[];
      into: string;
    },
  ): Promise<TablesRestoration> {
    const { Restore } = await import('./restore.js');
    return await this.whileClaimed(options, () => new Restore(this, options).tables(options));
  }

  /** Claims the source, so that no prune removes it during a long restore. */
  private async whileClaimed<T>(
    { source, signal = new AbortController().signal }: Pick<RestoreOptions, 'source' | 'signal'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const { whileSourceIsClaimed } = await import('./restore-source.js');
    const { backups, settings, clock } = this;
    const context = { backups, settings: settings.backup, now: clock.now(), signal };
    return await whileSourceIsClaimed(source, context, work);
  }
}
