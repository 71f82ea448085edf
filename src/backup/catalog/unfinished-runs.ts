import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { EnvironmentName } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { archiveKeys, backupName, manifestKey, nameOfUnfinished, unfinishedKey } from './backup-name.js';
import { LONGEST_MARK_MS, WorkMarks } from './work-marks.js';

/** What a run does to a backup. */
export type RunKind = 'backup' | 'upload' | 'prune';

/**
 * Marks in the storage: one lies beside an archive while a run makes, copies or removes it. The files of a killed run
 * are recognized by its mark, and only those are ever cleared: an archive without a mark is not pgkeep's to remove.
 */
export class UnfinishedRuns {
  private readonly marks: WorkMarks;

  constructor(private readonly storage: BackupStorage) {
    this.marks = new WorkMarks(storage);
  }

  /** Sets the mark, before anything else is written or removed. */
  async begin(name: string, use: RunKind, now: Date, signal: AbortSignal): Promise<void> {
    await this.marks.set(unfinishedKey(name), { use, now, signal });
  }

  /** Removes the mark, after the manifest is written or everything of the backup is removed. */
  async commit(name: string): Promise<void> {
    await this.marks.remove(unfinishedKey(name));
  }

  /** Leaves the rest of a removal that failed to the next run. */
  abandon(name: string): void {
    this.marks.abandon(unfinishedKey(name));
  }

  /** Removes everything that a failed run wrote; its mark last. */
  async discard(name: string): Promise<void> {
    await this.storage.delete(manifestKey(name));
    await this.deleteArchive(name);
    await this.commit(name);
  }

  /** Returns what another run, here or on another machine, is doing to this backup; undefined if there is none. */
  async runOn(name: string): Promise<string | undefined> {
    return await this.marks.use(unfinishedKey(name));
  }

  /** Removes the files of killed runs. @returns the names of their unfinished backups. */
  async clear(): Promise<string[]> {
    const now = await this.marks.storageTime();
    if (now) await this.storage.discardUnfinished?.(new Date(now.getTime() - LONGEST_MARK_MS));
    const cleared: string[] = [];
    for await (const { key, modifiedAt } of this.storage.list('')) {
      await this.marks.clearProbe(key, modifiedAt);
      const name = nameOfUnfinished(key);
      if (name === undefined || !(await this.marks.isGone(key, modifiedAt))) continue;
      // Killed after the manifest was written and before the mark was removed: the backup is complete.
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

/** Returns whether any object of that name exists: a backup, or the mark of a run. */
export async function isUsed(storage: BackupStorage, name: string): Promise<boolean> {
  for await (const object of storage.list(`${name}.`)) return object.bytes >= 0;
  return false;
}

/** How often and how long to wait for the next second, if another run has taken the name of this one. */
const NAME_PAUSE_MS = 100;

const NAME_TRIES = 100;

interface NamingContext {
  readonly settings: { readonly environment: EnvironmentName };
  readonly storage: BackupStorage;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Returns the backup name of this second, or of the next second whose name is free.
 * @param client reserves the name until its transaction ends
 * @throws PgkeepError `BACKUP_FAILED`; the signal's reason.
 */
export async function takeName(
  client: Client,
  database: string,
  { settings, storage, clock, signal }: NamingContext,
): Promise<string> {
  for (let tries = 0; tries < NAME_TRIES; tries += 1) {
    const name = backupName(database, settings.environment, clock.now());
    // The lock decides between two runs that both see the name as free.
    const { taken } = await queryOne<{ taken: boolean }>(
      client,
      'SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 0)) AS taken',
      [`pgkeep backup ${name}`],
    );
    if (taken && !(await isUsed(storage, name))) return name;
    await sleep(NAME_PAUSE_MS, undefined, { signal });
  }
  throw new PgkeepError('BACKUP_FAILED', `Cannot find a free name for a backup of "${database}".`, {
    hint: 'Check this machine’s clock.',
  });
}
