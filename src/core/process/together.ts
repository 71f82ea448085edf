/** Work that ends early, with an error, when its signal is aborted. */
export type Task<T> = (signal: AbortSignal) => Promise<T>;

/**
 * Runs two tasks side by side; the failure of one aborts the other. Returns or throws only after both ended, so
 * that nothing is still at work behind the caller's back.
 * @throws the first failure.
 */
export async function together<A, B>(
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
