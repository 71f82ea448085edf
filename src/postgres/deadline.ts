import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, Connection } from 'pg';

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

/**
 * Cuts a connection that does not answer a message within the deadline. pg's own `query_timeout` leaves it open: a pool
 * would hand it to the next caller, who waits for the answer to the earlier message too.
 */
export function cutWithoutAnswer(connection: Connection, deadlineMs: number): void {
  const query = connection.query.bind(connection);
  const sync = connection.sync.bind(connection);
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearTimeout(timer);
    timer = undefined;
  };
  const start = (): void => {
    timer ??= setTimeout(() => connection.stream.destroy(new DeadlineError(deadlineMs)), deadlineMs);
  };
  connection.query = (text) => {
    start();
    query(text);
  };
  connection.sync = () => {
    start();
    sync();
  };
  connection.on('readyForQuery', stop);
  connection.once('end', stop);
}
