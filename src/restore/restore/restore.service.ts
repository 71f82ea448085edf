import { Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../../backup/backup.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { DatabaseService } from '../../postgres/database.service.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Restoration, RestoreOptions, RestorePlan, TablesRestoration } from './restore.types.js';

/** Restores backups: beside the database, checked there, then swapped into its place. */
@Injectable()
export class RestoreService {
  /** What archives need, by their sha256: a plan and the restore behind it read one archive. */
  readonly knownNeeds = new Map<string, ArchiveNeeds>();

  constructor(
    @Inject(SETTINGS) readonly settings: Settings,
    readonly backups: BackupService,
    readonly clock: Clock,
    readonly database: DatabaseService,
  ) {}

  /**
   * What a restore would do. Touches nothing.
   * @throws PgkeepError `RESTORE_REFUSED` where the role or the backup does not allow it; `BACKUP_NOT_FOUND`,
   *   `STORAGE_…`, `DATABASE_…`.
   */
  async plan(options: RestoreOptions): Promise<RestorePlan> {
    const { Restore } = await import('./restore.js');
    return await new Restore(this, options).plan();
  }

  /**
   * Restores into a fresh database, checks it as a restore test does, and swaps the names; the database that was
   * there is kept under another name, and was backed up first. Where there is none of that name it is created.
   * @throws PgkeepError `RESTORE_REFUSED` (nothing was touched), `RESTORE_FAILED`, `BACKUP_…`, `STORAGE_…`,
   *   `DATABASE_…`, `INTERRUPTED`: the database is as it was.
   */
  async restore(options: RestoreOptions): Promise<Restoration> {
    const { Restore } = await import('./restore.js');
    return await this.whileClaimed(options, () => new Restore(this, options).perform());
  }

  /**
   * Restores some tables' rows into a new database beside, with the definitions of everything. The database in use
   * is not touched.
   * @param into the name of a database that there is not yet
   * @throws PgkeepError `USAGE_INVALID`, `RESTORE_REFUSED`, `RESTORE_FAILED`, `BACKUP_…`, `STORAGE_…`, `DATABASE_…`.
   */
  async restoreTables(
    options: Pick<RestoreOptions, 'source' | 'progress' | 'signal'> & {
      tables: readonly string[];
      into: string;
    },
  ): Promise<TablesRestoration> {
    const { Restore } = await import('./restore.js');
    return await this.whileClaimed(options, () => new Restore(this, options).tables(options));
  }

  /** A restore takes long, its safety backup too: no prune removes the source meanwhile. */
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
