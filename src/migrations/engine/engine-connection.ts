import type { Client } from 'pg';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { closeClient, connectOnce } from '../../postgres/connect.js';
import { PgkeepError } from '../../core/errors.js';
import { connectionError } from './connection-error.js';

/** How long a connection may take when the URL does not say (`connect_timeout`); Prisma's own default. */
const CONNECT_TIMEOUT_MS = 5000;

/** How the engine connects: patiently once connected, since a migration may take hours. */
export function engineConnectionOptions(url: DatabaseUrl): ConnectionOptions {
  return {
    connectTimeoutMs: url.connectTimeoutMs || CONNECT_TIMEOUT_MS,
    answerTimeoutMs: 0,
    applicationName: 'pgkeep schema engine',
    purpose: 'scripts',
  };
}

/**
 * Does one thing on a connection of its own, then closes it.
 * @throws SchemaEngineError with Prisma's code when it cannot connect; else what `work` throws.
 */
export async function withEngineClient<T>(
  url: DatabaseUrl,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connectEngineClient(url, new CandidateRotation(url));
  try {
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

/**
 * Connects, and leaves the rotation on what worked (host, with or without TLS).
 * @throws SchemaEngineError with Prisma's code: `P1000` wrong password, `P1001` out of reach…
 */
export async function connectEngineClient(url: DatabaseUrl, rotation: CandidateRotation): Promise<Client> {
  try {
    return await connectOnce(rotation, engineConnectionOptions(url));
  } catch (thrown) {
    // What pgkeep itself refuses has its own text.
    throw thrown instanceof PgkeepError ? thrown : connectionError(thrown, url);
  }
}
