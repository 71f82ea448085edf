import { addAbortSignal, type Readable } from 'node:stream';

/** Work that ends early, with an error, when its signal is aborted. */
export type Task<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs two tasks concurrently; if one fails, the other is aborted. Returns or throws only after both have ended.
 * @throws the first failure.
 */
export async function runConcurrently<A, B>(
  signal: AbortSignal,
  first: Task<A>,
  second: Task<B>,
): Promise<readonly [A, B]> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const guarded = async <T>(task: Task<T>): Promise<T> => {
    try {
      return await task(either);
    } catch (error) {
      // Only the first abort counts: its reason is the first failure.
      failure.abort(error);
      throw error;
    }
  };
  const tasks = [guarded(first), guarded(second)] as const;
  await Promise.allSettled(tasks);
  if (failure.signal.aborted) throw failure.signal.reason;
  return [await tasks[0], await tasks[1]];
}

/**
 * Waits for work that ends when its signal is aborted, but at most `graceMs` after the abort: a server that does not
 * answer must not delay the end of the process.
 * @throws what the work throws; the signal's reason when the grace period is over.
 */
export async function waitWithGrace<T>(signal: AbortSignal, graceMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(signal.reason), graceMs);
    };
  });
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, late]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  }
}

/**
 * Returns the stream, which is destroyed when the signal is aborted. If that happens before the stream is read, its
 * error is kept for the reader and does not end the process.
 */
export function destroyOnAbort(signal: AbortSignal, body: Readable): Readable {
  body.on('error', () => undefined);
  return addAbortSignal(signal, body);
}
