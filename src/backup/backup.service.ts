import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../changelog/actor.js';
import { ChangelogService } from '../changelog/changelog.service.js';
import { Clock } from '../clock/clock.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { DatabaseService } from '../database/database.service.js';
import { BACKUP_STORAGE } from '../storage/storage.token.js';
import type { BackupStorage } from '../storage/storage.types.js';
import type { ArchiveFile } from './archive-file.js';
import { backupError } from './backup-error.js';
import { attachmentKey, type Attachment } from './backup-name.js';
import type {
  BackupList,
  BackupOptions,
  BackupReport,
  PinOptions,
  PinReport,
  Manifest,
  VerificationReport,
} from './backup.types.js';
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
    private readonly changelog: ChangelogService,
  ) {
    this.committed = new CommittedBackups(storage);
  }

  /**
   * Dumps the database in one snapshot, reads the stored bytes back, commits with the manifest, and records it.
   * @throws KeepError; nothing of a backup that failed is left or listed.
   */
  async create({
    reason = 'manual',
    actor = operator(),
    signal = new AbortController().signal,
  }: BackupOptions = {}): Promise<BackupReport> {
    const { settings, storage, clock } = this;
    const { timeouts } = this.database;
    // Loaded only here, and below: a service that starts makes no backup, and each file costs its start.
    const { BackupRun } = await import('./backup-run.js');
    try {
      const report = await new BackupRun({ settings, storage, clock, timeouts, reason, signal }).perform();
      const { name, bytes, sha256, encrypted } = report;
      const details = { reason, bytes, sha256, encrypted, environment: settings.environment };
      return {
        ...report,
        ...(await this.changelog.recordDone({ deed: 'backup', subject: name, details, actor })),
      };
    } catch (error) {
      throw backupError(`back up ${describeDatabaseUrl(settings.database.url)}`, error, signal);
    }
  }

  /** Every committed backup, the newest first. @throws KeepError `STORAGE_…`. */
  async list(): Promise<BackupList> {
    return await this.committed.list();
  }

  /**
   * What a backup is, by its name or the name of one of its files.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`, `STORAGE_…`.
   */
  async manifest(backup: string): Promise<Manifest> {
    return (await this.committed.manifest(backup)).manifest;
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
   * Pins a committed backup, for a reason: retention keeps it until it is unpinned.
   * @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`.
   */
  async pin(backup: string, { because, actor = operator() }: PinOptions = {}): Promise<PinReport> {
    const { name, pinned } = await this.markOf(backup);
    const details = { because: because ?? null };
    await this.attach(name, 'pinned', { pinnedAt: this.clock.now().toISOString(), actor, ...details });
    const recording = await this.changelog.recordDone({ deed: 'pin', subject: name, details, actor });
    return { name, pinned: true, changed: !pinned, ...recording };
  }

  /** Lets retention decide again. @throws KeepError `BACKUP_NOT_FOUND`, `STORAGE_…`. */
  async unpin(backup: string, { actor = operator() }: Pick<PinOptions, 'actor'> = {}): Promise<PinReport> {
    const { name, pinned } = await this.markOf(backup);
    if (!pinned) return { name, pinned: false, changed: false, recorded: false };
    await this.detach(name, 'pinned');
    const recording = await this.changelog.recordDone({ deed: 'unpin', subject: name, details: {}, actor });
    return { name, pinned: false, changed: true, ...recording };
  }

  /**
   * Runs `use` with the archive of one backup as a whole file on this machine, decrypted and its digest checked.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_DAMAGED`, `BACKUP_KEY_MISSING`, `BACKUP_KEY_WRONG`, `STORAGE_…`;
   *   what `use` throws.
   */
  async withArchive<T>(
    backup: string,
    signal: AbortSignal,
    use: (archive: ArchiveFile) => Promise<T>,
  ): Promise<T> {
    const { withArchiveFile } = await import('./archive-file.js');
    const { storage, settings } = this;
    const source = { storage, encryption: settings.backup.encryption };
    return await withArchiveFile(source, await this.committed.manifest(backup), signal, use);
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
      const { storage } = this;
      const { encryption } = this.settings.backup;
      const context = { storage, encryption, pgRestore, signal };
      const { findings, notChecked } = await verifyArchive(name, manifest, context);
      return { name, verdict: findings.length === 0 ? 'passed' : 'failed', findings, notChecked };
    } catch (error) {
      throw backupError(`verify ${backup}`, error, signal);
    }
  }

  private async markOf(backup: string): Promise<{ name: string; pinned: boolean }> {
    const { name } = await this.committed.manifest(backup);
    const mark = await this.storage.head(attachmentKey(name, 'pinned'));
    return { name, pinned: mark !== undefined };
  }
}
