import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '../../core/errors.js';
import { watchingBlockers, type WatchOptions } from '../blocker-watch.js';
import { textsOf } from '../deploy-lock.js';
import type { SessionFacts } from '../sessions.js';

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
