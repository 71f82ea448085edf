import { errorCode } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { BackupClaims } from '../catalog/backup-claims.js';
import { CommittedBackups } from '../catalog/committed-backups.js';
import { UnfinishedRuns } from '../catalog/unfinished-runs.js';

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
