import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, escapeIdentifier } from 'pg';
import { readAttempts } from '../../migrations/history/attempts.js';
import { HistoryWriter } from '../../migrations/history/history-writer.js';
import { ENTER_RECORDED_DEPLOY, LEAVE_RECORDED_DEPLOY } from '../../migrations/history/deploy-locks.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { oneMessage } from '../../postgres/mark.js';
import { beingDeployed, tryPrismaLock } from '../deploy-lock.js';
import { requireNoFailedAttempt } from '../preconditions.js';
import type { FailedMigration, MigrationScript } from './apply.types.js';
import { courseOf } from './execution-mode.js';
import type { RunnerOptions } from './lock-retries.js';
import { attemptCourse, ScriptRun } from './run-script.js';
import { cancelBackend } from './script-session.js';

/** How the server's process list knows the session. */
export const APPLY_SESSION = 'pgkeep deploy apply';

/** How long a deploy waits for Prisma's lock, as Prisma's own engine does. */
const LOCK_PATIENCE_MS = 10_000;
const PAUSE_MS = 250;

/** What became of the scripts. */
export interface ApplyOutcome {
  /** The one that failed, where one did. */
  readonly failed: FailedMigration | undefined;
  /** How often one was tried again because it did not get its lock. */
  readonly retries: number;
  /** Objects that were there already and are not what a statement says: `IF NOT EXISTS` did nothing. */
  readonly found: readonly string[];
}

/**
 * Applies scripts in their order, on a session of its own that holds Prisma's lock; the history is as
 * `prisma migrate deploy` leaves it.
 * @throws PgkeepError `DEPLOY_REFUSED` where somebody else deploys, or a migration failed meanwhile; what the
 *   connection throws before the first script.
 */
export async function applyScripts(
  scripts: readonly MigrationScript[],
  options: RunnerOptions,
): Promise<ApplyOutcome> {
  const { url, connectTimeoutMs, signal } = options;
  // No answer is waited for longer than the server works: the statement timeout is its own.
  const connection: ConnectionOptions = {
    connectTimeoutMs,
    answerTimeoutMs: 0,
    applicationName: APPLY_SESSION,
    purpose: 'scripts',
  };
  return await withConnection(url, connection, async (client) => {
    const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
    const backendPid = rows[0]?.pid ?? 0;
    const cancel = (): void => void cancelBackend(backendPid, options, APPLY_SESSION);
    signal.addEventListener('abort', cancel);
    try {
      return await applyAll(client, backendPid, scripts, options);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  });
}

async function applyAll(
  client: Client,
  backendPid: number,
  scripts: readonly MigrationScript[],
  options: RunnerOptions,
): Promise<ApplyOutcome> {
  const { url, timeouts, signal, onStep } = options;
  await takePrismaLock(client, options);
  const history = new HistoryWriter(client, url.schema);
  // The DDL guard lets this session pass while the deploy's lock is held.
  await client.query(oneMessage(`SET search_path TO ${escapeIdentifier(url.schema)}`, ENTER_RECORDED_DEPLOY));
  await history.prepare(timeouts);
  // Whoever had Prisma's lock before may have applied some.
  await requireNoFailedAttempt(client, url.schema, timeouts);
  const attempts = await readAttempts(client, url.schema, timeouts);
  const applied = new Set(attempts.filter(({ state }) => state === 'applied').map(({ name }) => name));
  const found: string[] = [];
  let retries = 0;
  for (const script of scripts) {
    const { name, sql } = script.migration;
    if (applied.has(name)) {
      onStep(`${name} was applied meanwhile by something else`);
      continue;
    }
    if (signal.aborted) break;
    onStep(`Applying ${name}`);
    const id = await history.begin(name, sql, attemptCourse(courseOf(script.parsed)));
    await setLimits(client, options);
    const failed = await new ScriptRun({
      client,
      backendPid,
      history,
      id,
      script,
      options,
      onRetry: () => {
        retries += 1;
      },
      onFound: (text) => found.push(`${name}: ${text}`),
    }).run();
    if (failed) return { failed, retries, found };
    // None, and not RESET: that would be what the database or the role has set.
    await client.query(
      oneMessage('SET statement_timeout = 0', 'SET lock_timeout = 0', LEAVE_RECORDED_DEPLOY),
    );
  }
  return { failed: undefined, retries, found };
}

/** Whoever asks again and again keeps no snapshot open, for which a CREATE INDEX CONCURRENTLY would have to wait. */
async function takePrismaLock(client: Client, { timeouts, signal }: RunnerOptions): Promise<void> {
  const end = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    const holders = await tryPrismaLock(client, timeouts);
    if (holders === undefined) return;
    if (performance.now() > end && holders.length > 0) throw beingDeployed(holders);
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

async function setLimits(
  client: Client,
  { statementTimeoutMs, lockTimeoutMs }: RunnerOptions,
): Promise<void> {
  const limits = [`SET statement_timeout = ${statementTimeoutMs}`, `SET lock_timeout = ${lockTimeoutMs}`];
  await client.query(oneMessage(...limits, ENTER_RECORDED_DEPLOY));
}
