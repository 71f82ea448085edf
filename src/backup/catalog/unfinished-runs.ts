import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { EnvironmentName } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { archiveKeys, backupName, manifestKey, nameOfUnfinished, unfinishedKey } from './backup-name.js';
import { LONGEST_MARK_MS, WorkMarks } from './work-marks.js';

/** What a run does to a backup. */
export type RunKind = 'backup' | 'upload' | 'prune';

/**
 * Marks in the storage: one stands beside an archive for as long as the run that makes, copies or removes it. What a
 * killed run left is known by its mark, and only that is ever cleared: an archive without one belongs to somebody else.
 */
export class UnfinishedRuns {
  private readonly marks: WorkMarks;

  constructor(private readonly storage: BackupStorage) {
    this.marks = new WorkMarks(storage);
  }

  /** Before anything else is written or removed. */
  async begin(name: string, use: RunKind, now: Date, signal: AbortSignal): Promise<void> {
    await this.marks.set(unfinishedKey(name), { use, now, signal });
  }

  /** After the manifest stands, or after everything of the backup is removed. */
  async commit(name: string): Promise<void> {
    await this.marks.remove(unfinishedKey(name));
  }

  /** Leaves the rest of a removal that failed to the next run. */
  abandon(name: string): void {
    this.marks.abandon(unfinishedKey(name));
  }

  /** Removes everything of a run that failed; the mark last. */
  async discard(name: string): Promise<void> {
    await this.storage.delete(manifestKey(name));
    await this.deleteArchive(name);
    await this.commit(name);
  }

  /** What another run, here or elsewhere, does to this backup right now; undefined where none is at work on it. */
  async runOn(name: string): Promise<string | undefined> {
    return await this.marks.use(unfinishedKey(name));
  }

  /** Clears what killed runs left. @returns the names of the backups they did not finish. */
  async clear(): Promise<string[]> {
    const now = await this.marks.storageTime();
    if (now) await this.storage.discardUnfinished?.(new Date(now.getTime() - LONGEST_MARK_MS));
    const cleared: string[] = [];
    for await (const { key, modifiedAt } of this.storage.list('')) {
      await this.marks.clearProbe(key, modifiedAt);
      const name = nameOfUnfinished(key);
      if (name === undefined || !(await this.marks.isGone(key, modifiedAt))) continue;
      // Killed between the manifest and the end of the mark: the backup is whole.
      if (await this.storage.head(manifestKey(name))) {
        await this.storage.delete(key);
      } else {
        await this.deleteArchive(name);
        await this.storage.delete(key);
        cleared.push(name);
      }
    }
    return cleared;
  }

  private async deleteArchive(name: string): Promise<void> {
    for (const key of archiveKeys(name)) await this.storage.delete(key);
  }
}

/** Whether there is anything of that name: a backup, or a run at work on it. */
export async function isUsed(storage: BackupStorage, name: string): Promise<boolean> {
  for await (const object of storage.list(`${name}.`)) return object.bytes >= 0;
  return false;
}

/** How often a name is tried again that another run of the same second has taken. */
const NAME_PAUSE_MS = 100;

const NAME_TRIES = 100;

interface NamingContext {
  readonly settings: { readonly environment: EnvironmentName };
  readonly storage: BackupStorage;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Returns the name of this second, or of the next that no other backup has.
 * @param client holds the name until its transaction ends
 * @throws PgkeepError `BACKUP_FAILED`; the signal's reason.
 */
export async function takeName(
  client: Client,
  database: string,
  { settings, storage, clock, signal }: NamingContext,
): Promise<string> {
  for (let tries = 0; tries < NAME_TRIES; tries += 1) {
    const name = backupName(database, settings.environment, clock.now());
    // The lock decides between two runs that both find the name free.
    const { rows } = await client.query<{ taken: boolean }>(
      'SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0)) AS taken',
      [`pgkeep backup ${name}`],
    );
    if (rows[0]?.taken === true && !(await isUsed(storage, name))) return name;
    await sleep(NAME_PAUSE_MS, undefined, { signal });
  }
  throw new PgkeepError('BACKUP_FAILED', `Cannot find a free name for a backup of "${database}".`, {
    hint: 'Check this machine’s clock.',
  });
}
