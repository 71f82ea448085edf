import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock/clock.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { DatabaseService } from '../database/database.service.js';
import { BACKUP_STORAGE } from '../storage/storage.token.js';
import type { BackupStorage } from '../storage/storage.types.js';
import type { ArchiveFile } from './archive-file.js';
import { backupError } from './backup-error.js';
import type { Attachment } from './backup-name.js';
import type { BackupList, BackupOptions, BackupReport, VerificationReport } from './backup.types.js';
import { CommittedBackups } from './committed-backups.js';

/** Makes backups, lists them, and reads them back. */
@Injectable()
export class BackupService {
  private readonly committed: CommittedBackups;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
  ) {
    this.committed = new CommittedBackups(storage);
  }

  /**
   * Dumps the database in one snapshot, reads the stored bytes back, and commits with the manifest.
   * @throws KeepError; nothing of a backup that failed is left or listed.
   */
  async create({
    reason = 'manual',
    signal = new AbortController().signal,
    beforePublish = async () => undefined,
  }: BackupOptions = {}): Promise<BackupReport> {
    const { settings, storage, clock } = this;
    const { timeouts } = this.database;
    // Loaded only here, and below: a service that starts makes no backup, and each file costs its start.
    const { BackupRun } = await import('./backup-run.js');
    try {
      const context = { settings, storage, clock, timeouts, reason, signal, beforePublish };
      return await new BackupRun(context).perform();
    } catch (error) {
      throw backupError(`back up ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    }
  }

  /** Every committed backup, the newest first. @throws KeepError `STORAGE_…`. */
  async list(): Promise<BackupList> {
    return await this.committed.list();
  }

  /** Removes one committed backup for good; retention decides which. @throws KeepError `STORAGE_…`. */
  async remove(name: string): Promise<void> {
    await this.committed.remove(name);
  }

  /**
   * Adds a document to a committed backup: the evidence of a restore test, the mark that pins it.
   * @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async attach(backup: string, attachment: Attachment, document: object): Promise<void> {
    const { name } = await this.committed.manifest(backup);
    await this.committed.attach(name, attachment, `${JSON.stringify(document, null, 2)}\n`);
  }

  /** Takes such a document away; absent is no error. @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async detach(backup: string, attachment: Attachment): Promise<void> {
    const { name } = await this.committed.manifest(backup);
    await this.committed.detach(name, attachment);
  }

  /**
   * Runs `use` with the archive of one backup as a whole file on this machine, its digest checked.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_DAMAGED`, `STORAGE_…`; what `use` throws.
   */
  async withArchive<T>(
    backup: string,
    signal: AbortSignal,
    use: (archive: ArchiveFile) => Promise<T>,
  ): Promise<T> {
    const { withArchiveFile } = await import('./archive-file.js');
    return await withArchiveFile(this.storage, await this.committed.manifest(backup), signal, use);
  }

  /**
   * Reads every byte of one backup. That it does not pass is a verdict, not an error.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `BACKUP_TOOLS_MISSING`, `STORAGE_…`.
   */
  async verify(
    backup: string,
    { signal = new AbortController().signal }: Pick<BackupOptions, 'signal'> = {},
  ): Promise<VerificationReport> {
    const [{ findTool }, { verifyArchive }] = await Promise.all([
      import('./postgres-tool.js'),
      import('./verify-archive.js'),
    ]);
    try {
      const { name, manifest } = await this.committed.manifest(backup);
      const pgRestore = await findTool({
        program: 'pg_restore',
        atLeastMajor: Number.parseInt(manifest.toolVersions.pgDump, 10),
        searchPath: this.settings.searchPath,
      });
      const findings = await verifyArchive(this.storage, name, manifest, { pgRestore, signal });
      return { name, verdict: findings.length === 0 ? 'passed' : 'failed', findings };
    } catch (error) {
      throw backupError(`verify ${backup}`, error, signal);
    }
  }
}
