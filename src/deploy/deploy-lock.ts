import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import type { PgkeepError } from '../core/errors.js';
import { OWN_DEPLOY_LOCK, PRISMA_LOCK } from '../migrations/history/prisma-history.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { type Refuse, refused } from './preconditions.js';
import { readLockHolders, type SessionFacts } from './sessions.js';

const PAUSE_MS = 500;
const DEPLOY_AGAIN = 'pgkeep migrate deploy --wait';

/** How the lock is taken. */
export interface LockOptions {
  readonly timeouts: ReadTimeouts;
  /** Whether to wait for the session that holds it. */
  readonly wait: boolean;
  readonly signal: AbortSignal;
  /** Called once for each session that is waited for. */
  readonly onWait: (line: string) => void;
  /** Makes the error of a refusal. Defaults to a deploy's */
  readonly refuse?: Refuse;
  /** The command that waits. Defaults to the deploy */
  readonly again?: string;
}

/**
 * Takes the deploy lock: this session is the only one that deploys to its database, until it ends.
 * @throws PgkeepError `DEPLOY_REFUSED`, or what `refuse` makes, naming the session that holds the lock.
 */
export async function takeDeployLock(
  client: Client,
  { timeouts, wait, signal, onWait, refuse = refused, again = DEPLOY_AGAIN }: LockOptions,
): Promise<void> {
  // The session is idle during the backup, and a server may be configured to end idle sessions.
  await client.query(
    `SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'idle_session_timeout'`,
  );
  let named = '';
  let isOwn = false;
  for (;;) {
    isOwn ||= await tryLock(client);
    const holders = await readLockHolders(client, [OWN_DEPLOY_LOCK, PRISMA_LOCK], timeouts);
    if (isOwn && holders.length === 0) return;
    if (!wait && holders.length > 0) throw beingDeployed(holders, refuse, again);
    const names = holders.map(({ pid }) => pid).join();
    if (names !== '' && names !== named) onWait(`Waiting for ${textsOf(holders)} to finish deploying.`);
    named = names;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

export function textsOf(sessions: readonly SessionFacts[]): string {
  return sessions.map(({ text }) => text).join(' and ');
}

/**
 * Takes Prisma's lock: no Prisma applies migrations until this session ends.
 * @throws PgkeepError what `refuse` makes, if another session holds it; what the connection throws.
 */
export async function takePrismaLock(client: Client, timeouts: ReadTimeouts, refuse: Refuse): Promise<void> {
  const holders = await tryPrismaLock(client, timeouts);
  if (!holders) return;
  throw refuse(`migrations are being deployed by ${textsOf(holders)}`, 'Wait for it, then try again.');
}

/**
 * Tries to take Prisma's lock.
 * @returns the sessions that hold it, if it was not granted: empty if they have ended since.
 * @throws what the connection throws.
 */
export async function tryPrismaLock(
  client: Client,
  timeouts: ReadTimeouts,
): Promise<readonly SessionFacts[] | undefined> {
  const [, key] = PRISMA_LOCK;
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_catalog.pg_try_advisory_lock($1::bigint) AS taken',
    [key],
  );
  if (rows[0]?.taken === true) return undefined;
  return await readLockHolders(client, [PRISMA_LOCK], timeouts);
}

/** Returns the refusal that names the session that holds the lock. */
export function beingDeployed(
  holders: readonly SessionFacts[],
  refuse: Refuse = refused,
  again = DEPLOY_AGAIN,
): PgkeepError {
  return refuse(
    `migrations are being deployed by ${textsOf(holders)}`,
    `Wait for it: \`${again}\`. If it is stuck, end that session: ${holders
      .map(({ pid }) => `SELECT pg_terminate_backend(${pid});`)
      .join(' ')}`,
  );
}

async function tryLock(client: Client): Promise<boolean> {
  const [classId, objectId] = OWN_DEPLOY_LOCK;
  const { rows } = await client.query<{ taken: boolean }>(
    'SELECT pg_catalog.pg_try_advisory_lock($1, $2) AS taken',
    [classId, objectId],
  );
  return rows[0]?.taken === true;
}
