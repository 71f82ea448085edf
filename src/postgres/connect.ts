import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import { errorCode, messageOf } from '../core/errors.js';
import { candidateClient, type ConnectionOptions } from './candidate-client.js';
import { CandidateRotation, walkCandidates } from './candidate-rotation.js';
import { closeClient } from './deadline.js';

/** Opens one connection. @throws the last candidate's error. */
export async function connectOnce(rotation: CandidateRotation, options: ConnectionOptions): Promise<Client> {
  return await walkCandidates(rotation, () => new (candidateClient(rotation, options))().connect());
}

/** The seeds' number of tries for a connection. */
const TRIES = 3;
const FIRST_PAUSE_MS = 100;

/** Errors of connecting that a second try may not have: the server starts, fails over, or sheds load. */
const TRANSIENT =
  /^(ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ETIMEDOUT|EPIPE|57P0[123]|53300|08\w{3})$/;

/** Returns whether a second try may succeed. */
function isTransient(error: unknown): boolean {
  // pg's own error, without a code, for a server or a pooler that closes a connection while it begins.
  return TRANSIENT.test(errorCode(error) ?? '') || messageOf(error) === 'Connection terminated unexpectedly';
}

/**
 * Runs something that connects, up to three times with a doubling pause between (*seed*).
 * @param firstPauseMs the pause before the second try
 * @throws the last try's error; immediately where trying again cannot help (a wrong password).
 */
export async function withConnectionRetry<T>(
  attempt: () => Promise<T>,
  firstPauseMs = FIRST_PAUSE_MS,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (tried >= TRIES || !isTransient(error)) throw error;
      await sleep(firstPauseMs * 2 ** (tried - 1));
    }
  }
}

/** Runs `work` on its own connection, which is closed afterwards. */
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
