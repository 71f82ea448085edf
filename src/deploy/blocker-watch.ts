import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseUrl } from '../config/database-url.js';
import { withConnection } from '../postgres/connect.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { readBlockers, type SessionFacts } from './sessions.js';

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
export async function watchingBlockers<T>(
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
