import { PgkeepError } from '../../core/errors.js';
import type { BackupStorage, RemoteStorages } from '../../storage/storage.types.js';
import type { BackupEntry, BackupList, Manifest, UnreachablePlace } from '../backup.types.js';
import { type Attachment, typedName } from './backup-name.js';
import { CommittedBackups, notFound } from './committed-backups.js';

/** One copy of a backup: where it is, and the manifest that stands beside it there. */
export interface BackupCopy {
  readonly storage: BackupStorage;
  readonly name: string;
  readonly manifest: Manifest;
}

/** A place that may have a copy but could not be asked, or where the manifest cannot be read. */
export interface UnreadableCopy {
  readonly storage: BackupStorage;
  readonly error: PgkeepError;
}

/** One catalogue of what is in the directory and in the buckets. */
export class BackupCatalogue {
  constructor(
    private readonly local: BackupStorage,
    private readonly remotes: RemoteStorages,
  ) {}

  /**
   * Every backup once, with every place it is in, the newest first. A bucket that cannot be listed is told and hides
   * nothing. A bucket's backup that has the name of another one (of a second server) is a row of its own.
   */
  async list(): Promise<BackupList> {
    const found = await new CommittedBackups(this.local).list();
    const entries = [...found.backups];
    const unreadable = [...found.unreadable];
    const unreachable: UnreachablePlace[] = [];
    for (const remote of await this.remotes()) {
      try {
        const there = await new CommittedBackups(remote).list();
        for (const entry of there.backups) unite(entries, entry);
        unreadable.push(...there.unreadable.map((key) => `${remote.location}/${key}`));
      } catch (error) {
        if (!(error instanceof PgkeepError)) throw error;
        unreachable.push({ location: remote.location, message: error.message });
      }
    }
    return { backups: entries.toSorted(newestFirst), unreadable, unreachable };
  }

  /**
   * The copies of one backup as they are found, the directory's first. Those with another digest only share its name.
   * @throws PgkeepError `BACKUP_NOT_FOUND` after the last place, where every place said that it has none.
   */
  async *copies(text: string, sha256?: string): AsyncGenerator<BackupCopy | UnreadableCopy> {
    const storages = [this.local, ...(await this.remotes())];
    let wanted = sha256;
    let isKnown = false;
    for (const storage of storages) {
      const copy = await copyIn(storage, text);
      if (!copy) continue;
      isKnown = true;
      if ('error' in copy) yield copy;
      else if (copy.manifest.sha256 === (wanted ??= copy.manifest.sha256)) yield copy;
    }
    if (!isKnown) throw notFound(typedName(text), storages);
  }

  /** The first copy whose manifest can be read. @throws PgkeepError what kept every place from giving one. */
  async find(text: string): Promise<BackupCopy> {
    let failure: PgkeepError | undefined;
    for await (const copy of this.copies(text)) {
      if (!('error' in copy)) return copy;
      failure ??= copy.error;
    }
    throw failure ?? notFound(typedName(text), [this.local]);
  }

  /**
   * The places that have a backup, in the order in which it is removed from them. The directory last: what a failure
   * leaves is still listed, and removed next time.
   * @throws PgkeepError `STORAGE_…` where a place cannot be asked.
   */
  async placesOf({ name, sha256 }: Pick<BackupEntry, 'name' | 'sha256'>): Promise<readonly BackupStorage[]> {
    const storages: BackupStorage[] = [];
    for await (const copy of this.copies(name, sha256)) {
      if ('error' in copy) throw copy.error;
      storages.unshift(copy.storage);
    }
    return storages;
  }

  /** Adds a document to every copy. @throws PgkeepError what the first place that failed says; the others have it. */
  async attach(text: string, attachment: Attachment, document: string): Promise<void> {
    await this.withEveryCopy(text, (backups, name) => backups.attach(name, attachment, document));
  }

  /** Takes such a document away from every copy. @throws PgkeepError as above. */
  async detach(text: string, attachment: Attachment): Promise<void> {
    await this.withEveryCopy(text, (backups, name) => backups.detach(name, attachment));
  }

  private async withEveryCopy(
    text: string,
    work: (backups: CommittedBackups, name: string) => Promise<void>,
  ): Promise<void> {
    const failures: unknown[] = [];
    for await (const copy of this.copies(text)) {
      if ('error' in copy) failures.push(copy.error);
      else {
        await work(new CommittedBackups(copy.storage), copy.name).catch((error: unknown) =>
          failures.push(error),
        );
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/** Undefined where the place says that it has none. */
async function copyIn(
  storage: BackupStorage,
  text: string,
): Promise<BackupCopy | UnreadableCopy | undefined> {
  try {
    return { storage, ...(await new CommittedBackups(storage).manifest(text)) };
  } catch (error) {
    if (!(error instanceof PgkeepError)) throw error;
    return error.code === 'BACKUP_NOT_FOUND' ? undefined : { storage, error };
  }
}

/** Adds a bucket's entry to those that are known. What is attached to one copy counts for all. */
function unite(entries: BackupEntry[], entry: BackupEntry): void {
  const index = entries.findIndex(({ name, sha256 }) => name === entry.name && sha256 === entry.sha256);
  const known = entries[index];
  if (!known) {
    entries.push(entry);
    return;
  }
  entries[index] = {
    ...known,
    locations: [...known.locations, ...entry.locations],
    pinned: known.pinned || entry.pinned,
    restoreTest: known.restoreTest ?? entry.restoreTest,
  };
}

function newestFirst(left: BackupEntry, right: BackupEntry): number {
  return compare(right.finishedAt, left.finishedAt) || compare(right.name, left.name);
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
