import { PgkeepError } from '../../core/errors.js';
import { isOneOf, isRecord } from '../../core/json-guards.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type { BackupEntry, Manifest } from '../backup.types.js';
import { omissionTexts } from '../omissions.js';
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

/** How many manifests are read concurrently, because of the latency of a bucket. */
const CONCURRENT_READS = 8;

/** The committed backups of one storage, in no particular order, and the manifests that cannot be read. */
export interface StoredBackups {
  readonly backups: readonly BackupEntry[];
  readonly unreadable: readonly string[];
}

/** The backups of one storage that are complete, which means: that have a manifest. */
export class CommittedBackups {
  constructor(private readonly storage: BackupStorage) {}

  /** Returns every backup. A manifest that cannot be read, or has another name inside, is reported as unreadable. */
  async list(): Promise<StoredBackups> {
    const keys = new Set<string>();
    for await (const { key } of this.storage.list('')) keys.add(key);
    // Backups are at the top level only: files in subdirectories are not pgkeep's.
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
    await Promise.all(Array.from({ length: CONCURRENT_READS }, reader));
    return { backups, unreadable: unreadable.toSorted() };
  }

  /**
   * Returns the manifest of one backup, by its name or the name of one of its files.
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
      `Cannot read ${key} in ${this.storage.location}: it is not a manifest of a version that this pgkeep knows.`,
      {
        hint: 'The file is damaged, or a later version of pgkeep wrote it. Use a copy in another place, or update pgkeep.',
      },
    );
  }

  /** Removes a backup, its manifest first, so that an incomplete backup is never listed. */
  async remove(name: string): Promise<void> {
    await this.storage.delete(manifestKey(name));
    for (const key of archiveKeys(name)) await this.storage.delete(key);
    for (const attachment of ATTACHMENTS) await this.storage.delete(attachmentKey(name, attachment));
  }

  /** Adds a document to a committed backup, or replaces it. */
  async attach(name: string, attachment: Attachment, text: string): Promise<void> {
    await writeText(this.storage, attachmentKey(name, attachment), text, new AbortController().signal);
  }

  /** Removes such a document if it exists. */
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

/** Returns the error for a backup that is in none of these places. */
export function notFound(name: string, storages: readonly BackupStorage[]): PgkeepError {
  const places = storages.map(({ location }) => location).join(' or ');
  return new PgkeepError('BACKUP_NOT_FOUND', `Backup "${name}" not found in ${places}.`, {
    hint: 'Run `pgkeep backup list` to see the names.',
  });
}

/** The part of a restore test's evidence that the catalog shows. */
const isEvidence = isRecord<{ verdict: 'passed' | 'failed' }>({ verdict: isOneOf(['passed', 'failed']) });

/** Returns the verdict of an evidence document; `failed` if it cannot be read. */
function parseVerdict(text: string): 'passed' | 'failed' {
  try {
    const parsed: unknown = JSON.parse(text);
    return isEvidence(parsed) ? parsed.verdict : 'failed';
  } catch {
    return 'failed';
  }
}
