import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock/clock.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { DatabaseService } from '../database/database.service.js';
import { KeepError } from '../errors.js';
import { withinGrace } from '../process/within-grace.js';
import { BACKUP_STORAGE, REMOTE_STORAGES, type RemoteStorages } from '../storage/storage.token.js';
import type { BackupStorage } from '../storage/storage.types.js';
import type { ArchiveFile } from './archive-file.js';
import { BackupCatalogue } from './backup-catalogue.js';
import { backupError } from './backup-error.js';
import type { Attachment } from './backup-name.js';
import type {
  BackupEntry,
  BackupList,
  BackupOptions,
  BackupReport,
  UploadReport,
  VerificationReport,
} from './backup.types.js';

/** How long an interrupted verification waits for a bucket that hangs. */
const GRACE_MS = 5000;

/** Makes backups, copies them to the buckets, lists them, and reads them back. */
@Injectable()
export class BackupService {
  private readonly catalogue: BackupCatalogue;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    @Inject(REMOTE_STORAGES) private readonly remotes: RemoteStorages,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
  ) {
    this.catalogue = new BackupCatalogue(storage, remotes);
  }

  /**
   * Dumps the database in one snapshot, reads the stored bytes back, commits with the manifest, and then copies the
   * backup to every bucket.
   * @throws KeepError; nothing of a backup that failed is left or listed. One that could not be uploaded
   *   (`BACKUP_UPLOAD_FAILED`) is whole in the directory.
   */
  async create({
    reason = 'manual',
    signal = new AbortController().signal,
  }: BackupOptions = {}): Promise<BackupReport> {
    const { settings, storage, clock } = this;
    const { timeouts } = this.database;
    // Loaded only here, and below: a service that starts makes no backup, and each file costs its start.
    const { BackupRun } = await import('./backup-run.js');
    const report = await new BackupRun({ settings, storage, clock, timeouts, reason, signal })
      .perform()
      .catch((error: unknown) => {
        throw backupError(`back up ${describeDatabaseUrl(settings.database.url)}`, error, signal);
      });
    const { backups, cleared } = await this.copyToBuckets(report.name, signal);
    const locations = backups.flatMap((backup) => backup.locations);
    return { ...report, locations, cleared: [...new Set([...report.cleared, ...cleared])] };
  }

  /**
   * Copies one backup of the directory to every bucket, or every backup that a bucket does not have.
   * @throws KeepError `CONFIG_INVALID` where there is no bucket, `BACKUP_NOT_FOUND`, `BACKUP_UPLOAD_FAILED`; the
   *   backups in the directory stay as they are.
   */
  async upload(
    backup: string | undefined,
    { signal = new AbortController().signal }: Pick<BackupOptions, 'signal'> = {},
  ): Promise<UploadReport> {
    if (this.settings.offsite.uploadEnabled) return await this.copyToBuckets(backup, signal);
    throw new KeepError('CONFIG_INVALID', 'Cannot upload: there is no bucket to go to.', {
      hint: 'Set BACKUP_UPLOAD_ENABLED=true, and AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET.',
    });
  }

  /**
   * Every committed backup of the directory and the buckets, the newest first. A bucket that does not answer is
   * told in the list. @throws KeepError `STORAGE_…` of the directory.
   */
  async list(): Promise<BackupList> {
    return await this.catalogue.list();
  }

  /** Removes one committed backup and its copies for good; retention decides which. @throws KeepError `STORAGE_…`. */
  async remove(backup: Pick<BackupEntry, 'name' | 'sha256'>): Promise<void> {
    await this.catalogue.remove(backup);
  }

  /**
   * Adds a document to a committed backup: the evidence of a restore test, the mark that pins it.
   * @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async attach(backup: string, attachment: Attachment, document: object): Promise<void> {
    await this.catalogue.attach(backup, attachment, `${JSON.stringify(document, null, 2)}\n`);
  }

  /** Takes such a document away; absent is no error. @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async detach(backup: string, attachment: Attachment): Promise<void> {
    await this.catalogue.detach(backup, attachment);
  }

  /**
   * Runs `use` with the archive of one backup as a whole file on this machine, its digest checked: of the copy in
   * the directory, or where that is missing or damaged of the next one.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_DAMAGED`, `STORAGE_…`; what `use` throws.
   */
  async withArchive<T>(
    backup: string,
    signal: AbortSignal,
    use: (archive: ArchiveFile) => Promise<T>,
  ): Promise<T> {
    const { withArchiveFile } = await import('./archive-file.js');
    const { firstWholeCopy } = await import('./first-whole-copy.js');
    return await firstWholeCopy(
      this.catalogue.copies(backup),
      async ({ storage, ...copy }, useOf) => await withArchiveFile(storage, copy, signal, useOf),
      use,
    );
  }

  /**
   * Reads every byte of one backup, of every copy. That it does not pass is a verdict, not an error.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `BACKUP_TOOLS_MISSING`, `STORAGE_…`.
   */
  async verify(
    backup: string,
    { signal = new AbortController().signal }: Pick<BackupOptions, 'signal'> = {},
  ): Promise<VerificationReport> {
    const [{ findTool }, { verifyArchive }, { verifyCopies }] = await Promise.all([
      import('./postgres-tool.js'),
      import('./verify-archive.js'),
      import('./verify-copies.js'),
    ]);
    try {
      const { name, manifest } = await this.catalogue.find(backup);
      const pgRestore = await findTool({
        program: 'pg_restore',
        atLeastMajor: Number.parseInt(manifest.toolVersions.pgDump, 10),
        searchPath: this.settings.searchPath,
      });
      const verifying = verifyCopies(name, this.catalogue.copies(backup), async (copy) => {
        return await verifyArchive(copy.storage, name, copy.manifest, { pgRestore, signal });
      });
      return await withinGrace(signal, GRACE_MS, verifying);
    } catch (error) {
      throw backupError(`verify ${backup}`, error, signal);
    }
  }

  private async copyToBuckets(backup: string | undefined, signal: AbortSignal): Promise<UploadReport> {
    const { uploadBackups } = await import('./upload-backups.js');
    const { storage, clock } = this;
    const context = { local: storage, remotes: await this.remotes(), now: clock.now(), signal };
    return await uploadBackups(backup, context);
  }
}
