import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { messageOf } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { claimKey, claimPrefix, manifestKey } from './backup-name.js';
import { UnfinishedRuns } from './unfinished-runs.js';
import { WorkMarks } from './work-marks.js';

/** Well below the age at which a claim of another machine no longer counts. */
const RENEWAL_MS = 3_600_000;
/** How long a restore waits for a place that may not answer; the directory of this machine answers. */
const PATIENCE_MS = 3000;
/** How long work waits for a removal that was announced before it. */
const REMOVAL_MS = 30_000;
const POLL_MS = 50;

/** What works with a backup. */
export type BackupUse = 'restore test' | 'restore' | 'verify' | 'upload';

/** How work with a backup is announced. */
export interface ClaimOptions {
  readonly use: BackupUse;
  readonly now: Date;
  readonly signal: AbortSignal;
}

/** Marks in one storage that keep a backup from being pruned while something works with it. */
export class BackupClaims {
  private readonly marks: WorkMarks;

  constructor(private readonly storage: BackupStorage) {
    this.marks = new WorkMarks(storage);
  }

  /** Marks the backup as in use, where it is here. @returns what removes the mark. */
  async take(name: string, options: ClaimOptions): Promise<() => Promise<void>> {
    if (!(await this.storage.head(manifestKey(name)))) return () => Promise.resolve();
    const key = claimKey(name, randomUUID());
    await this.marks.set(key, options).catch((error: unknown) => {
      this.marks.abandon(key);
      throw error;
    });
    const renewal = setInterval(() => {
      // A renewal that fails leaves the claim as young as the last one made it.
      this.marks.set(key, options).catch(() => undefined);
    }, RENEWAL_MS).unref();
    await this.awaitRemoval(name, options.signal);
    return async () => {
      clearInterval(renewal);
      await this.marks.remove(key);
    };
  }

  /** What works with this backup right now. Removes the claims of processes that have ended. */
  async uses(name: string): Promise<string[]> {
    const uses: string[] = [];
    for await (const { key } of this.storage.list(claimPrefix(name))) {
      const use = await this.marks.use(key);
      if (use === undefined) await this.storage.delete(key);
      else uses.push(use);
    }
    return uses;
  }

  /** A removal that was announced before the claim may not have seen it: it is let end, and then the backup is gone. */
  private async awaitRemoval(name: string, signal: AbortSignal): Promise<void> {
    const runs = new UnfinishedRuns(this.storage);
    const started = performance.now();
    while ((await runs.runOn(name)) === 'prune' && performance.now() - started < REMOVAL_MS) {
      await sleep(POLL_MS, undefined, { signal });
    }
  }
}

/**
 * Runs `work` while the backup is marked as in use in every place that has it, so that no prune of this process or of
 * another removes it. A place that cannot be marked stops nothing, and a bucket that does not answer delays nothing for
 * long: a restore from a read-only copy must work.
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
        // A claim that cannot be removed ends with this process.
        release.then((remove) => remove()).catch(() => undefined),
      ),
    );
    await Promise.all(released);
  }
}

/** Never rejects. */
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
        `Cannot mark ${where} as in use, so a prune may remove it: ${messageOf(error)}`,
      );
    }
    return () => Promise.resolve();
  }
}

/** A directory of this machine is waited for, a bucket only for a while. */
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
