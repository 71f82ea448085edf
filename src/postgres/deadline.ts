import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';

const CLOSE_MS = 500;

/** The client's deadline passed before the server answered. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';

  constructor(readonly deadlineMs: number) {
    super(`no answer within ${deadlineMs} ms`);
  }
}

/** Waits for a promise, but no longer than `deadlineMs`. @throws DeadlineError. The loser's outcome is ignored. */
export async function withDeadline<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  const stop = new AbortController();
  try {
    return await Promise.race([
      work,
      sleep(deadlineMs, undefined, { signal: stop.signal }).then(() => {
        throw new DeadlineError(deadlineMs);
      }),
    ]);
  } finally {
    stop.abort();
  }
}

/** Closes a connection; cuts it where the server does not answer. */
export async function closeClient(client: Client): Promise<void> {
  try {
    await withDeadline(client.end(), CLOSE_MS);
  } catch {
    client.connection.stream.destroy();
  }
}
