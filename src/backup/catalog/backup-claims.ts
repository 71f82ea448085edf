import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { errorCode, messageOf } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { claimKey, claimPrefix, manifestKey } from './backup-name.js';
import { CommittedBackups } from './committed-backups.js';
import { UnfinishedRuns } from './unfinished-runs.js';
import { WorkMarks } from './work-marks.js';

/** Well below the age from which a claim of another machine no longer counts. */
const RENEWAL_MS = 3_600_000;
/** How long to wait for a bucket that may not answer. */
const PATIENCE_MS = 3000;
/** How long to wait for a removal that began earlier. */
const REMOVAL_MS = 30_000;
const POLL_MS = 50;

/** What can use a backup. */
export type BackupUse = 'restore test' | 'restore' | 'verify' | 'upload';

/** What a claim says. */
export interface ClaimOptions {
  readonly use: BackupUse;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** Marks in one storage that keep a backup from being pruned while it is in use. */
class BackupClaims {
  private readonly marks: WorkMarks;

  constructor(private readonly storage: BackupStorage) {
    this.marks = new WorkMarks(storage);
  }

  /** Marks the backup as in use, if this storage has it. @returns a function that removes the mark. */
  async take(name: string, options: ClaimOptions): Promise<() => Promise<void>> {
    if (!(await this.storage.head(manifestKey(name)))) return () => Promise.resolve();
    const key = claimKey(name, randomUUID());
    await this.marks.set(key, options).catch((error: unknown) => {
      this.marks.abandon(key);
      throw error;
    });
    const renewal = setInterval(() => {
      // If a renewal fails, the next one is tried in an hour.
      this.marks.set(key, options).catch(() => undefined);
    }, RENEWAL_MS).unref();
    await this.awaitRemoval(name, options.signal);
    return async () => {
      clearInterval(renewal);
      await this.marks.remove(key);
    };
  }

  /** Returns the current uses of this backup. Removes the claims of processes that have ended. */
  async uses(name: string): Promise<string[]> {
    const uses: string[] = [];
    for await (const { key } of this.storage.list(claimPrefix(name))) {
      const use = await this.marks.use(key);
      if (use === undefined) await this.storage.delete(key);
      else uses.push(use);
    }
    return uses;
  }

  /** Waits for a removal that began before the claim was set and may not have seen it; the backup is gone then. */
  private async awaitRemoval(name: string, signal: AbortSignal): Promise<void> {
    const runs = new UnfinishedRuns(this.storage);
    const started = performance.now();
    while ((await runs.runOn(name)) === 'prune' && performance.now() - started < REMOVAL_MS) {
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

/**
 * Runs `work` while the backup is marked as in use in every place that has it, so that no prune of any process removes
 * it. If a place cannot be marked, or a bucket does not answer soon, the work goes on: a restore from a read-only copy
 * must be possible.
 */
export async function whileClaimed<T>(
  storages: readonly BackupStorage[],
  name: string,
  options: ClaimOptions,
  work: () => Promise<T>,
): Promise<T> {
  const claims = storages.map((storage) => ({ storage, release: takeOrWarn(storage, name, options) }));
  await Promise.all(claims.map(({ storage, release }) => inTime(storage, release)));
  try {
    return await work();
  } finally {
    const released = claims.map(({ storage, release }) =>
      inTime(
        storage,
        // A claim that cannot be removed no longer counts when this process has ended.
        release.then((remove) => remove()).catch(() => undefined),
      ),
    );
    await Promise.all(released);
  }
}

/** Takes a claim, or logs a warning. Never rejects. */
async function takeOrWarn(
  storage: BackupStorage,
  name: string,
  options: ClaimOptions,
): Promise<() => Promise<void>> {
  try {
    return await new BackupClaims(storage).take(name, options);
  } catch (error) {
    if (!options.signal.aborted) {
      const where = `${name} in ${storage.location}`;
      new Logger('Backup').warn(
        `Cannot mark ${where} as in use: a prune may remove it meanwhile. ${messageOf(error)}`,
      );
    }
    return () => Promise.resolve();
  }
}

/** Waits for work in a directory of this machine to its end, in a bucket only for a while. */
async function inTime(storage: BackupStorage, work: Promise<unknown>): Promise<void> {
  if (storage.pathOf !== undefined) {
    await work;
    return;
  }
  const waiting = new AbortController();
  const patience = sleep(PATIENCE_MS, undefined, { signal: waiting.signal }).catch(() => undefined);
  await Promise.race([work, patience]);
  waiting.abort();
}

/**
 * Removes a backup from these places, in this order, unless it is in use in one of them. If the removal fails half-way,
 * the next prune finishes it.
 * @returns what uses it; empty if it was removed.
 * @throws PgkeepError `STORAGE_…`.
 */
export async function removeUnlessUsed(
  storages: readonly BackupStorage[],
  name: string,
  { now, signal }: { now: Date; signal: AbortSignal },
): Promise<readonly string[]> {
  const announced: UnfinishedRuns[] = [];
  const uses: string[] = [];
  try {
    // The removal is announced first: work that begins later waits for its end, work that began earlier is seen below.
    for (const storage of storages) {
      const runs = new UnfinishedRuns(storage);
      const run = await runs.runOn(name);
      if (run === undefined) {
        announced.push(runs);
        await runs.begin(name, 'prune', now, signal).catch(unlessFull);
      } else {
        // The mark of the other run stays: an upload may be replacing a damaged copy.
        uses.push(run);
      }
    }
    for (const storage of storages) uses.push(...(await new BackupClaims(storage).uses(name)));
    if (uses.length === 0) {
      for (const storage of storages) await new CommittedBackups(storage).remove(name);
    }
    for (const runs of announced) await runs.commit(name);
    return [...new Set(uses)];
  } catch (error) {
    for (const runs of announced) runs.abandon(name);
    throw error;
  }
}

/** Ignores a full disk: a prune frees it, so it goes on without the announcement. */
function unlessFull(error: unknown): void {
  if (errorCode(error) !== 'STORAGE_FULL') throw error;
}
