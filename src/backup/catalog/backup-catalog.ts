import { PgkeepError } from '../../core/errors.js';
import type { BackupStorage, RemoteStorages } from '../../storage/storage.types.js';
import type { BackupEntry, BackupList, Manifest, UnreachablePlace } from '../backup.types.js';
import { type Attachment, typedName } from './backup-name.js';
import { CommittedBackups, notFound } from './committed-backups.js';

/** One copy of a backup: its place, and the manifest beside it there. */
export interface BackupCopy {
  readonly storage: BackupStorage;
  readonly name: string;
  readonly manifest: Manifest;
}

/** A place that could not be read, or whose manifest could not be read. */
export interface UnreadableCopy {
  readonly storage: BackupStorage;
  readonly error: PgkeepError;
}

/** The backups of the directory and the buckets as one catalog. */
export class BackupCatalogue {
  constructor(
    private readonly local: BackupStorage,
    private readonly remotes: RemoteStorages,
  ) {}

  /**
   * Returns every backup once, newest first, with all its places. A bucket that cannot be listed is reported and does
   * not hide the other backups. Two different backups of one name (from two servers) are two entries.
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
   * Yields the copies of one backup, the directory's first. A copy with another digest is another backup of that name
   * and is skipped.
   * @throws PgkeepError `BACKUP_NOT_FOUND` after the last place, if no place has a copy.
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

  /** Returns the first copy whose manifest can be read. @throws PgkeepError the first failure if there is none. */
  async find(text: string): Promise<BackupCopy> {
    let failure: PgkeepError | undefined;
    for await (const copy of this.copies(text)) {
      if (!('error' in copy)) return copy;
      failure ??= copy.error;
    }
    throw failure ?? notFound(typedName(text), [this.local]);
  }

  /**
   * Returns the places that have a backup, in the order of removal. The directory is the last one: if a removal fails
   * in between, the backup is still listed and the next prune removes it.
   * @throws PgkeepError `STORAGE_…` if a place cannot be read.
   */
  async placesOf({ name, sha256 }: Pick<BackupEntry, 'name' | 'sha256'>): Promise<readonly BackupStorage[]> {
    const storages: BackupStorage[] = [];
    for await (const copy of this.copies(name, sha256)) {
      if ('error' in copy) throw copy.error;
      storages.unshift(copy.storage);
    }
    return storages;
  }

  /** Adds a document to every copy. @throws PgkeepError the first failure, after all places were tried. */
  async attach(text: string, attachment: Attachment, document: string): Promise<void> {
    await this.withEveryCopy(text, (backups, name) => backups.attach(name, attachment, document));
  }

  /** Removes such a document from every copy. @throws PgkeepError as above. */
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

/** Returns the copy in one place; undefined if it has none. */
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

/** Merges a bucket's entry into the list. A pin or a restore test of one copy counts for all of them. */
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
