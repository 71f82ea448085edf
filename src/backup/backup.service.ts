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
import { type ClaimOptions, removeUnlessUsed, whileClaimed } from './catalog/backup-claims.js';
import { type Attachment, typedName } from './catalog/backup-name.js';
import type { ArchiveFile } from './copies/archive-file.js';

/** How long an interrupted verification waits for a bucket that does not answer. */
const GRACE_MS = 5000;

/** Makes backups, copies them to the buckets, lists and verifies them. */
@Injectable()
export class BackupService {
  private readonly catalogue: BackupCatalogue;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    @Inject(REMOTE_STORAGES) private readonly remotes: RemoteStorages,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly auditLog: AuditLogService,
  ) {
    this.catalogue = new BackupCatalogue(storage, remotes);
  }

  /**
   * Dumps the database in one snapshot, verifies the stored bytes, commits the backup with its manifest, records it,
   * and then copies it to every bucket.
   * @throws PgkeepError; nothing of a failed backup is left or listed. A backup that could not be uploaded
   *   (`BACKUP_UPLOAD_FAILED`) is complete in the directory.
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
    // Loaded here and below, not at the top: each file would make the start of the service slower.
    const { BackupRun } = await import('./create/backup-run.js');
    const run = { settings, storage, clock, timeouts, reason, origin, signal, onProgress, beforePublish };
    const report = await new BackupRun(run).perform().catch((error: unknown) => {
      throw backupError(`back up ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    });
    const { name, bytes, sha256, encrypted } = report;
    const details = { reason, bytes, sha256, encrypted, environment: settings.environment };
    const recording = await this.auditLog.recordDone({ action: 'backup', subject: name, details, actor });
    if (settings.offsite.uploadEnabled) {
      onProgress?.({ phase: 'copying to the buckets', bytes: null, expectedBytes: undefined });
    }
    const { backups, cleared } = await this.copyToBuckets(name, signal);
    const locations = backups.flatMap((backup) => backup.locations);
    return { ...report, ...recording, locations, cleared: [...new Set([...report.cleared, ...cleared])] };
  }

  /**
   * Copies one backup of the directory to every bucket, or each backup to the buckets that do not have it.
   * @throws PgkeepError `CONFIG_INVALID` if no bucket is configured, `BACKUP_NOT_FOUND`, `BACKUP_UPLOAD_FAILED`; the
   *   backups in the directory stay as they are.
   */
  async upload(
    backup: string | undefined,
    { signal = new AbortController().signal }: Pick<BackupOptions, 'signal'> = {},
  ): Promise<UploadReport> {
    if (this.settings.offsite.uploadEnabled) return await this.copyToBuckets(backup, signal);
    throw new PgkeepError('CONFIG_INVALID', 'Cannot upload: no bucket is configured.', {
      hint: 'Set BACKUP_UPLOAD_ENABLED=true, and AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET.',
    });
  }

  /**
   * Returns every committed backup of the directory and the buckets, newest first, and the buckets that did not
   * answer. @throws PgkeepError `STORAGE_…` of the directory.
   */
  async list(): Promise<BackupList> {
    return await this.catalogue.list();
  }

  /**
   * Returns the manifest of a backup, by its name or the name of one of its files.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `STORAGE_…`.
   */
  async manifest(backup: string): Promise<Manifest> {
    return (await this.catalogue.find(backup)).manifest;
  }

  /**
   * Removes one committed backup and all its copies, unless it is in use. Retention decides which backups to remove.
   * @returns what uses it, such as `restore test`; empty if the backup was removed.
   * @throws PgkeepError `STORAGE_…` if a place cannot be read; nothing is removed then.
   */
  async remove(backup: Pick<BackupEntry, 'name' | 'sha256'>): Promise<readonly string[]> {
    const places = await this.catalogue.placesOf(backup);
    const signal = new AbortController().signal;
    return await removeUnlessUsed(places, backup.name, { now: this.clock.now(), signal });
  }

  /**
   * Runs `work` while the backup is marked as in use, so that no prune of any process removes it.
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
   * Adds a document to a committed backup: the evidence of a restore test, or the mark that pins it.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async attach(backup: string, attachment: Attachment, document: object): Promise<void> {
    await this.catalogue.attach(backup, attachment, `${JSON.stringify(document, null, 2)}\n`);
  }

  /** Removes such a document if it exists. @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async detach(backup: string, attachment: Attachment): Promise<void> {
    await this.catalogue.detach(backup, attachment);
  }

  /**
   * Pins a committed backup: retention keeps it until it is unpinned.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async pin(backup: string, { because, actor = operator() }: PinOptions = {}): Promise<PinReport> {
    const { name, pinned } = await this.pinStateOf(backup);
    const details = { because: because ?? null };
    await this.attach(name, 'pinned', { pinnedAt: this.clock.now().toISOString(), actor, ...details });
    const recording = await this.auditLog.recordDone({ action: 'pin', subject: name, details, actor });
    return { name, pinned: true, changed: !pinned, ...recording };
  }

  /** Unpins a backup: the retention rules apply to it again. @throws PgkeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async unpin(backup: string, { actor = operator() }: Pick<PinOptions, 'actor'> = {}): Promise<PinReport> {
    const { name, pinned } = await this.pinStateOf(backup);
    if (!pinned) return { name, pinned: false, changed: false, recorded: false };
    await this.detach(name, 'pinned');
    const recording = await this.auditLog.recordDone({ action: 'unpin', subject: name, details: {}, actor });
    return { name, pinned: false, changed: true, ...recording };
  }

  /**
   * Runs `use` with the archive of one backup as a file on this machine, verified and decrypted. Takes the copy in
   * the directory, or the next one if that is missing or damaged.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_DAMAGED`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`;
   *   what `use` throws.
   */
  async withArchive<T>(
    backup: string,
    signal: AbortSignal,
    use: (archive: ArchiveFile) => Promise<T>,
  ): Promise<T> {
    const { useFirstIntactCopy, withArchiveFile } = await import('./copies/archive-file.js');
    const { encryption } = this.settings.backup;
    return await useFirstIntactCopy(
      this.catalogue.copies(backup),
      async ({ storage, ...copy }, useOf) => {
        return await withArchiveFile({ storage, encryption }, copy, signal, useOf);
      },
      use,
    );
  }

  /**
   * Opens the archive of one backup as a decrypted stream, from the first copy that can be opened. It is not verified:
   * to restore, use `withArchive`.
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
   * Verifies every byte of every copy of one backup. A backup that fails is a verdict, not an error.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `BACKUP_TOOLS_MISSING`, `STORAGE_…`.
   */
  async verify(
    backup: string,
    { signal = new AbortController().signal, onProgress }: Pick<BackupOptions, 'signal' | 'onProgress'> = {},
  ): Promise<VerificationReport> {
    const { verifyArchive, verifyCopies } = await import('./verify/verify-backup.js');
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

  private async pinStateOf(backup: string): Promise<{ name: string; pinned: boolean }> {
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
