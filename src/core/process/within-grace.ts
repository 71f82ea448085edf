/**
 * Waits for work that ends by itself when its signal is aborted, but not for ever: a server that hangs must not hold
 * up who wants to leave.
 * @throws what the work throws; the signal's reason, `graceMs` after the abort.
 */
export async function withinGrace<T>(signal: AbortSignal, graceMs: number, work: Promise<T>): Promise<T> {
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
