import type { Client } from 'pg';
import { closeClient, withDeadline } from './deadline.js';

/** A pooler that has no second session to give within this time keeps none for each connection. */
const PATIENCE_MS = 3000;
/** How often the first connection is asked again. */
const ROUNDS = 5;

/**
 * Whether a pooler gives a connection one session for as long as it is open. Asked with transactions of two
 * connections and the process ids of their backends; leaves nothing behind. Without other clients the answer is
 * certain, whether the pooler reuses the newest or the oldest session first.
 */
export async function keepsSession(first: Client, openSecond: () => Promise<Client>): Promise<boolean> {
  const own = await pidOf(first);
  let second: Client | undefined;
  const opening = openSecond();
  try {
    second = await withDeadline(opening, PATIENCE_MS);
    return await withDeadline(areApart(first, own, second), PATIENCE_MS);
  } catch {
    // Also where the pooler refuses transaction blocks altogether (pool_mode = statement).
    return false;
  } finally {
    void opening.then(closeClient, () => undefined);
  }
}

async function areApart(first: Client, own: number, second: Client): Promise<boolean> {
  // In this order, so that a pooler with one session, or the newest one first, gives the first's session away.
  if ((await beginAndAsk(second)) === own || (await pidOf(first)) !== own) return false;
  if ((await beginAndAsk(first)) !== own) return false;
  // Given back in this order, the second's session is the newest, and the first's not the next of the oldest.
  await first.query('COMMIT');
  await second.query('COMMIT');
  for (let round = 0; round < ROUNDS; round += 1) {
    if ((await pidOf(first)) !== own) return false;
  }
  return true;
}

async function beginAndAsk(client: Client): Promise<number> {
  await client.query('BEGIN READ ONLY');
  return await pidOf(client);
}

async function pidOf(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}
