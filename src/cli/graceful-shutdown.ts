import { constants } from 'node:os';
import { handOverSignals } from '../core/process/early-signals.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that cleans up after itself: the first signal aborts it, a second one ends the process immediately.
 * @returns the work's exit code, or that of the signal (128 and its number).
 */
export async function withGracefulShutdown(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let received: (typeof SIGNALS)[number] | undefined;
  const handlers = SIGNALS.map((name) => ({
    name,
    handle: () => {
      if (received !== undefined) process.exit(exitCodeOf(name));
      received = name;
      abort.abort();
    },
  }));
  handOverSignals();
  for (const { name, handle } of handlers) process.on(name, handle);
  try {
    const exitCode = await work(abort.signal);
    if (received === undefined) return exitCode;
    // A pending request to a server that hangs would otherwise keep the process alive.
    return process.exit(exitCodeOf(received));
  } finally {
    for (const { name, handle } of handlers) process.off(name, handle);
  }
}

function exitCodeOf(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
