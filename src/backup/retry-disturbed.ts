import { PgkeepError, serverMessageOf } from '../core/errors.js';

/** How long it is tried anew, and how often at most: where objects come and go, most tries fail within a moment. */
const LONGEST_MS = 20_000;
const MOST_TRIES = 40;
/**
 * For how long each further try's snapshot must stay quiet, in turn: tables that live for a moment show within a
 * short time; where one is changed again and again, the best moment is right after a change.
 */
const QUIET_MS = [20, 20, 100] as const;

/** A dump that fails where tables are dropped, emptied or rewritten as it begins. */
export interface DisturbedWork<T> {
  /** @param quietMs for how long nobody may change tables before it begins; most backups meet no change, and the first try does not wait */
  readonly attempt: (quietMs: number) => Promise<T>;
  readonly wasDisturbed: (error: unknown) => Promise<boolean>;
  /** Removes what a failed attempt left. */
  readonly discard: () => Promise<void>;
}

/**
 * Tries again where a change of the structure was the cause: the next snapshot comes after that change.
 * @throws PgkeepError `BACKUP_FAILED` where each attempt was disturbed; what an attempt throws for another cause.
 */
export async function retryDisturbed<T>({ attempt, wasDisturbed, discard }: DisturbedWork<T>): Promise<T> {
  const begun = performance.now();
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt(tries === 0 ? 0 : (QUIET_MS[tries % QUIET_MS.length] ?? 0));
    } catch (error) {
      // Where the server does not answer any more, the first failure is the one to report.
      const isDisturbed = await wasDisturbed(error).catch(() => false);
      if (!isDisturbed) throw error;
      const isLast = tries + 1 >= MOST_TRIES || performance.now() - begun > LONGEST_MS;
      if (isLast) throw disturbedEachTime(tries + 1, error);
      await discard();
    }
  }
}

function disturbedEachTime(tries: number, cause: unknown): PgkeepError {
  return new PgkeepError(
    'BACKUP_FAILED',
    `Cannot back up: tables, views or functions were dropped, emptied or replaced as each of ${tries} attempts began. The last one: ${serverMessageOf(cause)}`,
    {
      hint: 'Nothing was kept. Run the backup again when the migration or the job that changes them has ended.',
      cause,
    },
  );
}
