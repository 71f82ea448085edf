import type { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { PgkeepError } from '../core/errors.js';
import { waitWithGrace } from '../core/process/concurrent.js';
import { DatabaseService } from '../postgres/database.service.js';
import {
  BACKUP_STORAGE,
  type BackupStorage,
  REMOTE_STORAGES,
  type RemoteStorages,
} from '../storage/storage.types.js';
import { backupError } from './backup-error.js';
import type {
  BackupEntry,
  BackupList,
  BackupOptions,
  BackupReport,
  Manifest,
  PinOptions,
  PinReport,
  UploadReport,
  VerificationReport,
} from './backup.types.js';
import { BackupCatalogue } from './catalog/backup-catalog.js';
import { type ClaimOptions, whileClaimed } from './catalog/backup-claims.js';
import { type Attachment, typedName } from './catalog/backup-name.js';
import type { ArchiveFile } from './copies/archive-file.js';

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
    private readonly changelog: AuditLogService,
  ) {
    this.catalogue = new BackupCatalogue(storage, remotes);
  }

  /**
   * Dumps the database in one snapshot, reads the stored bytes back, commits with the manifest, records it, and then
   * copies the backup to every bucket.
   * @throws PgkeepError; nothing of a backup that failed is left or listed. One that could not be uploaded
   *   (`BACKUP_UPLOAD_FAILED`) is whole in the directory.
   */
  async create({
    reason = 'manual',
    origin,
    actor = operator(),
    onProgress,
    signal = new AbortController().signal,
    beforePublish = async () => undefined,
  }: BackupOptions = {}): Promise<BackupReport> {
    const { settings, storage, clock } = this;
    const { timeouts } = this.database;
    // Loaded only here, and below: a service that starts makes no backup, and each file costs its start.
    const { BackupRun } = await import('./create/backup-run.js');
    const run = { settings, storage, clock, timeouts, reason, origin, signal, onProgress, beforePublish };
    const report = await new BackupRun(run).perform().catch((error: unknown) => {
      throw backupError(`back up ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    });
    const { name, bytes, sha256, encrypted } = report;
    const details = { reason, bytes, sha256, encrypted, environment: settings.environment };
    const recording = await this.changelog.recordDone({ action: 'backup', subject: name, details, actor });
    if (settings.offsite.uploadEnabled) {
      onProgress?.({ phase: 'copying to the buckets', bytes: null, expectedBytes: undefined });
    }
    const { backups, cleared } = await this.copyToBuckets(name, signal);
    const locations = backups.flatMap((backup) => backup.locations);
    return { ...report, ...recording, locations, cleared: [...new Set([...report.cleared, ...cleared])] };
  }

  /**
   * Copies one backup of the directory to every bucket, or every backup that a bucket does not have.
   * @throws PgkeepError `CONFIG_INVALID` where there is no bucket, `BACKUP_NOT_FOUND`, `BACKUP_UPLOAD_FAILED`; the
   *   backups in the directory stay as they are.
   */
  async upload(
    backup: string | undefined,
    { signal = new AbortController().signal }: Pick<BackupOptions, 'signal'> = {},
  ): Promise<UploadReport> {
    if (this.settings.offsite.uploadEnabled) return await this.copyToBuckets(backup, signal);
    throw new PgkeepError('CONFIG_INVALID', 'Cannot upload: there is no bucket to go to.', {
      hint: 'Set BACKUP_UPLOAD_ENABLED=true, and AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET.',
    });
  }

  /**
   * Every committed backup of the directory and the buckets, the newest first. A bucket that does not answer is
   * told in the list. @throws PgkeepError `STORAGE_…` of the directory.
   */
  async list(): Promise<BackupList> {
    return await this.catalogue.list();
  }

  /**
   * What a backup is, by its name or the name of one of its files.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `STORAGE_…`.
   */
  async manifest(backup: string): Promise<Manifest> {
    return (await this.catalogue.find(backup)).manifest;
  }

  /**
   * Removes one committed backup and its copies for good, unless something works with it; retention decides which.
   * @returns what works with it, such as `restore test`; empty where the backup was removed.
   * @throws PgkeepError `STORAGE_…`, where a place cannot be asked before anything is removed.
   */
  async remove(backup: Pick<BackupEntry, 'name' | 'sha256'>): Promise<readonly string[]> {
    const { removeUnlessUsed } = await import('./copies/remove-backup.js');
    const places = await this.catalogue.placesOf(backup);
    const signal = new AbortController().signal;
    return await removeUnlessUsed(places, backup.name, { now: this.clock.now(), signal });
  }

  /**
   * Runs `work` while no prune, of this process or another, removes this backup.
   * @param backup its name, or the name of one of its files
   */
  async whileClaimed<T>(
    backup: string,
    { use, signal }: Pick<ClaimOptions, 'use' | 'signal'>,
    work: () => Promise<T>,
  ): Promise<T> {
    const storages = [this.storage, ...(await this.remotes())];
    const options = { use, signal, now: this.clock.now() };
    return await whileClaimed(storages, typedName(backup), options, work);
  }

  /**
   * Adds a document to a committed backup: the evidence of a restore test, the mark that pins it.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async attach(backup: string, attachment: Attachment, document: object): Promise<void> {
    await this.catalogue.attach(backup, attachment, `${JSON.stringify(document, null, 2)}\n`);
  }

  /** Takes such a document away; absent is no error. @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async detach(backup: string, attachment: Attachment): Promise<void> {
    await this.catalogue.detach(backup, attachment);
  }

  /**
   * Pins a committed backup, for a reason: retention keeps it until it is unpinned.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async pin(backup: string, { because, actor = operator() }: PinOptions = {}): Promise<PinReport> {
    const { name, pinned } = await this.markOf(backup);
    const details = { because: because ?? null };
    await this.attach(name, 'pinned', { pinnedAt: this.clock.now().toISOString(), actor, ...details });
    const recording = await this.changelog.recordDone({ action: 'pin', subject: name, details, actor });
    return { name, pinned: true, changed: !pinned, ...recording };
  }

  /** Lets retention decide again. @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async unpin(backup: string, { actor = operator() }: Pick<PinOptions, 'actor'> = {}): Promise<PinReport> {
    const { name, pinned } = await this.markOf(backup);
    if (!pinned) return { name, pinned: false, changed: false, recorded: false };
    await this.detach(name, 'pinned');
    const recording = await this.changelog.recordDone({ action: 'unpin', subject: name, details: {}, actor });
    return { name, pinned: false, changed: true, ...recording };
  }

  /**
   * Runs `use` with the archive of one backup as a whole file on this machine, decrypted and its digest checked: of
   * the copy in the directory, or where that is missing or damaged of the next one.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_DAMAGED`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`;
   *   what `use` throws.
   */
  async withArchive<T>(
    backup: string,
    signal: AbortSignal,
    use: (archive: ArchiveFile) => Promise<T>,
  ): Promise<T> {
    const { withArchiveFile } = await import('./copies/archive-file.js');
    const { firstWholeCopy } = await import('./copies/archive-file.js');
    const { encryption } = this.settings.backup;
    return await firstWholeCopy(
      this.catalogue.copies(backup),
      async ({ storage, ...copy }, useOf) => {
        return await withArchiveFile({ storage, encryption }, copy, signal, useOf);
      },
      use,
    );
  }

  /**
   * Opens the archive of one backup from its beginning, decrypted: of the first copy that can be opened. Nothing of it
   * is proven; `withArchive` is for what is restored.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`.
   */
  async openArchive(backup: string): Promise<Readable> {
    const { openArchive } = await import('./copies/archive-file.js');
    const { encryption } = this.settings.backup;
    let failure: unknown;
    for await (const copy of this.catalogue.copies(backup)) {
      try {
        if ('error' in copy) throw copy.error;
        return await openArchive({ storage: copy.storage, encryption }, copy);
      } catch (error) {
        failure ??= error;
      }
    }
    throw failure;
  }

  /**
   * Reads every byte of one backup, of every copy. That it does not pass is a verdict, not an error.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `BACKUP_TOOLS_MISSING`, `STORAGE_…`.
   */
  async verify(
    backup: string,
    { signal = new AbortController().signal, onProgress }: Pick<BackupOptions, 'signal' | 'onProgress'> = {},
  ): Promise<VerificationReport> {
    const [{ verifyArchive }, { verifyCopies }] = await Promise.all([
      import('./verify/verify-backup.js'),
      import('./verify/verify-backup.js'),
    ]);
    try {
      const { name, manifest } = await this.catalogue.find(backup);
      const {
        searchPath,
        backup: { encryption },
      } = this.settings;
      const context = { encryption, searchPath, signal, onProgress };
      const verifying = () =>
        verifyCopies({ name, without: manifest.without }, this.catalogue.copies(backup), (copy) =>
          verifyArchive(name, copy.manifest, { storage: copy.storage, ...context }),
        );
      return await waitWithGrace(
        signal,
        GRACE_MS,
        this.whileClaimed(name, { use: 'verify', signal }, verifying),
      );
    } catch (error) {
      throw backupError(`verify ${backup}`, error, signal);
    }
  }

  private async markOf(backup: string): Promise<{ name: string; pinned: boolean }> {
    const { name } = await this.catalogue.find(backup);
    const { backups } = await this.catalogue.list();
    return { name, pinned: backups.some((entry) => entry.name === name && entry.pinned) };
  }

  private async copyToBuckets(backup: string | undefined, signal: AbortSignal): Promise<UploadReport> {
    const { uploadBackups } = await import('./copies/upload-backups.js');
    const { storage, clock } = this;
    const context = { local: storage, remotes: await this.remotes(), now: clock.now(), signal };
    return await uploadBackups(backup, context);
  }
}
