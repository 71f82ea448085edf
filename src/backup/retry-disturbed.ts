import { KeepError, serverMessageOf } from '../errors.js';

/** How often a dump begins anew. */
const TRIES = 5;

/** A dump that fails where tables are dropped, emptied or rewritten as it begins. */
export interface DisturbedWork<T> {
  /** @param settling whether to wait for a moment in which nobody changes tables */
  readonly attempt: (settling: boolean) => Promise<T>;
  readonly wasDisturbed: (error: unknown) => Promise<boolean>;
  /** Removes what a failed attempt left. */
  readonly discard: () => Promise<void>;
}

/**
 * Tries again where a change of the structure was the cause: the next snapshot comes after that change.
 * @throws KeepError `BACKUP_FAILED` where each attempt was disturbed; what an attempt throws for another cause.
 */
export async function retryDisturbed<T>({ attempt, wasDisturbed, discard }: DisturbedWork<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt(tried > 1);
    } catch (error) {
      if (!(await wasDisturbed(error))) throw error;
      if (tried >= TRIES) throw disturbedEachTime(error);
      await discard();
    }
  }
}

function disturbedEachTime(cause: unknown): KeepError {
  return new KeepError(
    'BACKUP_FAILED',
    `Cannot back up: tables were dropped, emptied or rewritten as each of ${TRIES} attempts began. The last one: ${serverMessageOf(cause)}`,
    {
      hint: 'Nothing was kept. Run the backup again when the migration or the job that changes tables has ended.',
      cause,
    },
  );
}
