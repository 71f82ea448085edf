import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { messageOf } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { claimKey, claimPrefix, manifestKey } from './backup-name.js';
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
export class BackupClaims {
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
