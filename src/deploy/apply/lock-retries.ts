import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseUrl } from '../../config/database-url.js';
import { errorCode } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { textsOf } from '../deploy-lock.js';
import { readBlockers, type SessionFacts } from '../sessions.js';

/** Pauses before what did not get its lock is tried again. */
const PAUSES_MS = [1000, 2000, 4000];

const LOCK_NOT_AVAILABLE = '55P03';

/** What is needed to run the scripts. */
export interface RunnerOptions extends WatchOptions {
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
}

/** What is tried, and on whose behalf. */
export interface Trial {
  readonly migration: string;
  readonly backendPid: number;
  /** Whether an attempt that fails leaves nothing: only then it is tried again. */
  readonly mayRepeat: boolean;
  readonly onRetry: () => void;
}

/** Why the last attempt failed. */
export interface TrialFailure {
  readonly error: unknown;
  /** Who was last seen in its way. */
  readonly blockers: readonly SessionFacts[];
  readonly tries: number;
}

/** Makes an attempt, and more of them while its lock is not granted. @returns why the last one failed. */
export async function tryForLock(
  attempt: () => Promise<void>,
  { migration, backendPid, mayRepeat, onRetry }: Trial,
  options: RunnerOptions,
): Promise<TrialFailure | undefined> {
  const { signal, onStep } = options;
  for (let tries = 1; ; tries += 1) {
    const { outcome, blockers } = await watchingBlockers(options, backendPid, attempt);
    if (outcome.status === 'fulfilled') return undefined;
    const error: unknown = outcome.reason;
    const pause = PAUSES_MS[tries - 1];
    const isWorthIt = errorCode(error) === LOCK_NOT_AVAILABLE && mayRepeat && !signal.aborted;
    if (!isWorthIt || pause === undefined) return { error, blockers, tries };
    onRetry();
    onStep(
      `${migration} did not get its lock${byWhom(blockers)}; trying again in ${pause / 1000} s (${tries} of ${PAUSES_MS.length}).`,
    );
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return { error, blockers, tries };
  }
}

/** `, because of pid 812 (…)`; empty where nobody was seen. */
export function byWhom(blockers: readonly SessionFacts[]): string {
  return blockers.length === 0 ? '' : `, because of ${textsOf(blockers)}`;
}

/** Looks at least this often while a script runs, in ms. */
const SLOWEST_MS = 500;

/** Whom to watch, and how. */
export interface WatchOptions {
  readonly url: DatabaseUrl;
  readonly timeouts: ReadTimeouts;
  readonly connectTimeoutMs: number;
  /** A wait is over after this long: somebody must have looked before. */
  readonly lockTimeoutMs: number;
}

/**
 * Looks who makes a session wait, while `work` runs: afterwards nobody can tell. Work that is quickly done costs no
 * connection; a watch that fails knows nothing, and disturbs nothing.
 * @returns what `work` came to, and who was last seen in its way.
 */
async function watchingBlockers<T>(
  { url, timeouts, connectTimeoutMs, lockTimeoutMs }: WatchOptions,
  backendPid: number,
  work: () => Promise<T>,
): Promise<{ outcome: PromiseSettledResult<T>; blockers: readonly SessionFacts[] }> {
  const done = new AbortController();
  const pauseMs = Math.min(SLOWEST_MS, lockTimeoutMs / 4);
  let blockers: readonly SessionFacts[] = [];
  const watch = async (): Promise<void> => {
    await sleep(pauseMs, undefined, { signal: done.signal });
    const options = {
      connectTimeoutMs,
      answerTimeoutMs: timeouts.statementTimeoutMs,
      applicationName: 'pgkeep deploy watch',
    };
    await withConnection(url, options, async (client) => {
      while (!done.signal.aborted) {
        const seen = await readBlockers(client, backendPid, timeouts);
        if (seen.length > 0) blockers = seen;
        await sleep(pauseMs, undefined, { signal: done.signal });
      }
    });
  };
  const watching = watch().catch(() => undefined);
  const [outcome] = await Promise.allSettled([work()]);
  done.abort();
  await watching;
  return { outcome, blockers };
}
