const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const handlers = Object.entries(SIGNALS).map(([signal, exitCode]) => ({
  signal,
  leave: () => process.exit(exitCode),
}));

/**
 * Ends the process immediately on a signal, until the service handles signals itself. As PID 1 of a container, a
 * process without a handler ignores SIGTERM: a stop during the first half second, while modules load, would wait for
 * SIGKILL. For that reason this file imports nothing.
 */
export function leaveOnEarlySignals(): void {
  for (const { signal, leave } of handlers) process.on(signal, leave);
}

/** Removes these handlers: from here on the service handles signals. */
export function handOverSignals(): void {
  for (const { signal, leave } of handlers) process.off(signal, leave);
}
