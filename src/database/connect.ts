import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import { errorCode } from '../errors.js';
import { candidateClient, CandidateRotation, type ConnectionOptions } from './candidate-client.js';
import { DeadlineError } from './database-fault.js';

/**
 * Runs something that connects to the rotation's current candidate, walking once through the URL's candidates.
 * @throws the last candidate's error.
 */
export async function walkCandidates<T>(rotation: CandidateRotation, attempt: () => Promise<T>): Promise<T> {
  for (let remaining = rotation.candidates.length; ; remaining -= 1) {
    const before = rotation.current;
    try {
      return await attempt();
    } catch (error) {
      // A final refusal leaves the rotation where it was.
      if (remaining <= 1 || rotation.current === before) throw error;
    }
  }
}

/** Opens one connection. @throws the last candidate's error. */
export async function connectOnce(rotation: CandidateRotation, options: ConnectionOptions): Promise<Client> {
  return await walkCandidates(rotation, () => new (candidateClient(rotation, options))().connect());
}

/** The seeds' number of tries for a connection. */
const TRIES = 3;
const FIRST_PAUSE_MS = 100;
const GOODBYE_MS = 500;

/** Errors of connecting that a second try can mend: the server starts, fails over, or sheds load. */
const MENDABLE =
  /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ETIMEDOUT|EPIPE|57P0[123]|53300|08\w{3})$/;

/**
 * Runs something that connects, up to three times with a doubling pause between (*seed*).
 * @throws the last try's error; at once where trying again cannot help (a wrong password).
 */
export async function withConnectionRetry<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tried >= TRIES || !MENDABLE.test(errorCode(error) ?? '')) throw error;
      await sleep(FIRST_PAUSE_MS * 2 ** (tried - 1));
    }
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

/** Runs `work` on a connection of its own, closed afterwards whatever happens. */
export async function withConnection<T>(
  url: DatabaseUrl,
  options: ConnectionOptions,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const rotation = new CandidateRotation(url);
  const client = await withConnectionRetry(() => connectOnce(rotation, options));
  try {
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

/** Says goodbye to the server, or hangs up where it does not answer. */
export async function closeClient(client: Client): Promise<void> {
  try {
    await withDeadline(client.end(), GOODBYE_MS);
  } catch {
    client.connection.stream.destroy();
  }
}
