import { SQLSTATE } from '../../postgres/sqlstates.js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseUrl } from '../../config/database-url.js';
import { errorCode } from '../../core/errors.js';
import { withConnection } from '../../postgres/connect.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { textsOf } from '../deploy-lock.js';
import type { ScriptContext } from './apply.types.js';
import { readBlockers, type SessionFacts } from '../sessions.js';

/** Pauses before each retry for a lock. */
const PAUSES_MS = [1000, 2000, 4000];

/** What running scripts needs. */
export interface RunnerOptions extends WatchOptions {
  readonly statementTimeoutMs: number;
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
}

/** One attempt. */
export interface Trial {
  readonly migration: string;
  readonly backendPid: number;
  /** Whether a failed attempt leaves nothing: only then it is retried. */
  readonly mayRetry: boolean;
  readonly onRetry: () => void;
}

/** Why the last attempt failed. */
export interface TrialFailure {
  readonly error: unknown;
  /** The sessions that were last seen blocking it. */
  readonly blockers: readonly SessionFacts[];
  readonly tries: number;
}

/** Makes an attempt, and retries while its lock is not granted. @returns why the last one failed. */
export async function tryForLock(
  attempt: () => Promise<void>,
  { migration, backendPid, mayRetry, onRetry }: Trial,
  options: RunnerOptions,
): Promise<TrialFailure | undefined> {
  const { signal, onStep } = options;
  for (let tries = 1; ; tries += 1) {
    const { outcome, blockers } = await watchingBlockers(options, backendPid, attempt);
    if (outcome.status === 'fulfilled') return undefined;
    const error: unknown = outcome.reason;
    const pause = PAUSES_MS[tries - 1];
    const isWorthIt = errorCode(error) === SQLSTATE.lockNotAvailable && mayRetry && !signal.aborted;
    if (!isWorthIt || pause === undefined) return { error, blockers, tries };
    onRetry();
    onStep(
      `${migration} did not get its lock${blockedBy(blockers)}; retrying in ${pause / 1000} s (${tries} of ${PAUSES_MS.length}).`,
    );
    await sleep(pause, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return { error, blockers, tries };
  }
}

/** Makes an attempt of a script, as {@link tryForLock}. @param mayRetry whether a failed attempt leaves nothing */
export async function tryScript(
  { script, backendPid, onRetry, options }: ScriptContext,
  attempt: () => Promise<void>,
  mayRetry: boolean,
): Promise<TrialFailure | undefined> {
  const trial = { migration: script.migration.name, backendPid, mayRetry, onRetry };
  return await tryForLock(attempt, trial, options);
}

/** Returns `, blocked by pid 812 (…)`; empty if no session was seen. */
export function blockedBy(blockers: readonly SessionFacts[]): string {
  return blockers.length === 0 ? '' : `, blocked by ${textsOf(blockers)}`;
}

/** The longest pause between two looks while a script runs, in ms. */
const SLOWEST_MS = 500;

/** How blocking sessions are watched. */
export interface WatchOptions {
  readonly url: DatabaseUrl;
  readonly timeouts: ReadTimeouts;
  readonly connectTimeoutMs: number;
  /** A wait for a lock ends after this time, so the first look must come earlier. */
  readonly lockTimeoutMs: number;
}

/**
 * Watches which sessions block a backend while `work` runs: afterwards that is no longer known. Short work costs no
 * connection; a watch that fails is ignored.
 * @returns the outcome of `work`, and the sessions that were last seen blocking it.
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
