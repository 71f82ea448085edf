import { PgkeepError } from '../../core/errors.js';
import { isOneOf, isRecord } from '../../core/json-guards.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { BackupEntry, Manifest } from '../backup.types.js';
import {
  archiveKeys,
  type Attachment,
  attachmentKey,
  ATTACHMENTS,
  manifestKey,
  nameOfManifest,
  typedName,
} from './backup-name.js';
import { parseManifest, readText, writeText } from './manifest.js';
import { omissionTexts } from '../omission-texts.js';

/** How many manifests are read at once: over a network each takes its time. */
const AT_ONCE = 8;

/** The committed backups of one storage, in no particular order, and the manifests that cannot be read. */
export interface StoredBackups {
  readonly backups: readonly BackupEntry[];
  readonly unreadable: readonly string[];
}

/** The backups that are in one storage, which is to say their manifests. */
export class CommittedBackups {
  constructor(private readonly storage: BackupStorage) {}

  /** A manifest that cannot be read, or is that of another name, is told and hides no other. */
  async list(): Promise<StoredBackups> {
    const keys = new Set<string>();
    for await (const { key } of this.storage.list('')) keys.add(key);
    // Backups lie at the top: what is below a directory of theirs is somebody else's.
    const manifests = [...keys].filter((key) => nameOfManifest(key) !== undefined && !key.includes('/'));
    const backups: BackupEntry[] = [];
    const unreadable: string[] = [];
    const queue = manifests.values();
    const reader = async (): Promise<void> => {
      for (const key of queue) {
        const manifest = parseManifest(await readText(this.storage, key));
        if (manifest && manifest.name === nameOfManifest(key)) {
          backups.push(await this.entryOf(manifest, keys));
        } else unreadable.push(key);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, reader));
    return { backups, unreadable: unreadable.toSorted() };
  }

  /**
   * The manifest of one backup, by its name or the name of one of its files.
   * @throws PgkeepError `BACKUP_NOT_FOUND`, `BACKUP_MANIFEST_UNREADABLE`.
   */
  async manifest(text: string): Promise<{ name: string; manifest: Manifest }> {
    const name = typedName(text);
    const key = manifestKey(name);
    if (!(await this.storage.head(key))) throw notFound(name, [this.storage]);
    const manifest = parseManifest(await readText(this.storage, key));
    if (manifest) return { name, manifest };
    throw new PgkeepError(
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
    const { name, database, environment, systemIdentifier, reason, finishedAt, bytes, sha256 } = manifest;
    const evidence = attachmentKey(name, 'restore-test');
    return {
      name,
      database,
      environment,
      systemIdentifier,
      reason,
      origin: manifest.origin ?? null,
      finishedAt,
      bytes,
      sha256,
      encrypted: manifest.encryption !== null,
      pinned: keys.has(attachmentKey(name, 'pinned')),
      locations: [this.storage.location],
      without: omissionTexts(manifest.without),
      restoreTest: keys.has(evidence) ? parseVerdict(await readText(this.storage, evidence)) : null,
    };
  }
}

/** No backup of this name is in any of these places. */
export function notFound(name: string, storages: readonly BackupStorage[]): PgkeepError {
  const places = storages.map(({ location }) => location).join(' or ');
  return new PgkeepError('BACKUP_NOT_FOUND', `There is no backup "${name}" in ${places}.`, {
    hint: '`pgkeep backup list` shows the names.',
  });
}

/** What the catalogue shows of a restore test's evidence. */
const isEvidence = isRecord<{ verdict: 'passed' | 'failed' }>({ verdict: isOneOf(['passed', 'failed']) });

/** The verdict of an evidence document; one that cannot be read proves nothing. */
function parseVerdict(text: string): 'passed' | 'failed' {
  try {
    const parsed: unknown = JSON.parse(text);
    return isEvidence(parsed) ? parsed.verdict : 'failed';
  } catch {
    return 'failed';
  }
}
