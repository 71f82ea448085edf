import { KeepError } from '../errors.js';
import type { BackupStorage } from '../storage/storage.types.js';
import {
  archiveKeys,
  attachmentKey,
  ATTACHMENTS,
  manifestKey,
  nameOfManifest,
  typedName,
  type Attachment,
} from './backup-name.js';
import type { BackupEntry, BackupList, Manifest } from './backup.types.js';
import { parseManifest, readText, writeText } from './manifest.js';
import { parseVerdict } from './restore-test-verdict.js';

/** The catalogue: the backups that are there, which is to say their manifests. */
export class CommittedBackups {
  constructor(private readonly storage: BackupStorage) {}

  /** The newest first. A manifest that cannot be read is told, and hides no other. */
  async list(): Promise<BackupList> {
    const entries: BackupEntry[] = [];
    const unreadable: string[] = [];
    const keys = new Set<string>();
    for await (const { key } of this.storage.list('')) keys.add(key);
    for (const key of keys) {
      if (nameOfManifest(key) === undefined) continue;
      const manifest = parseManifest(await readText(this.storage, key));
      if (manifest) entries.push(await this.entryOf(manifest, keys));
      else unreadable.push(key);
    }
    const backups = entries.toSorted(
      (left, right) => compare(right.finishedAt, left.finishedAt) || compare(right.name, left.name),
    );
    return { backups, unreadable: unreadable.toSorted() };
  }

  /**
   * The manifest of one backup, by its name or the name of one of its files.
   * @throws KeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`.
   */
  async manifest(text: string): Promise<{ name: string; manifest: Manifest }> {
    const name = typedName(text);
    const key = manifestKey(name);
    if (!(await this.storage.head(key))) {
      throw new KeepError('BACKUP_NOT_FOUND', `There is no backup "${name}" in ${this.storage.location}.`, {
        hint: '`pgkeep backup list` shows the names.',
      });
    }
    const manifest = parseManifest(await readText(this.storage, key));
    if (manifest) return { name, manifest };
    throw new KeepError(
      'BACKUP_MANIFEST_UNREADABLE',
      `${key} in ${this.storage.location} is not a manifest that this version reads.`,
      { hint: 'It was damaged, or written by a later version: take its copy elsewhere, or update pgkeep.' },
    );
  }

  /** Takes a backup away: its manifest first, so that no moment shows half of it. */
  async remove(name: string): Promise<void> {
    await this.storage.delete(manifestKey(name));
    for (const key of archiveKeys(name)) await this.storage.delete(key);
    for (const attachment of ATTACHMENTS) await this.storage.delete(attachmentKey(name, attachment));
  }

  /** Adds a document to a committed backup; the one that was there is replaced. */
  async attach(name: string, attachment: Attachment, text: string): Promise<void> {
    await writeText(this.storage, attachmentKey(name, attachment), text, new AbortController().signal);
  }

  /** Takes such a document away. Absent is no error. */
  async detach(name: string, attachment: Attachment): Promise<void> {
    await this.storage.delete(attachmentKey(name, attachment));
  }

  private async entryOf(manifest: Manifest, keys: ReadonlySet<string>): Promise<BackupEntry> {
    const { name, database, environment, reason, finishedAt, bytes, encryption } = manifest;
    const evidence = attachmentKey(name, 'restore-test');
    return {
      name,
      database,
      environment,
      reason,
      finishedAt,
      bytes,
      encrypted: encryption !== null,
      pinned: keys.has(attachmentKey(name, 'pinned')),
      locations: [this.storage.location],
      restoreTest: keys.has(evidence) ? parseVerdict(await readText(this.storage, evidence)) : null,
    };
  }
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
