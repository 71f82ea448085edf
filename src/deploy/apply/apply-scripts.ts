import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, escapeIdentifier } from 'pg';
import { LIFT_DDL_GUARD, RESTORE_DDL_GUARD } from '../../guard/ddl/ddl-guard-sql.js';
import { HistoryWriter } from '../../migrations/history/history-writer.js';
import { readAttempts } from '../../migrations/history/prisma-history.js';
import { oneMessage } from '../../postgres/mark.js';
import { beingDeployed, tryPrismaLock } from '../deploy-lock.js';
import { requireNoFailedAttempt } from '../preconditions.js';
import type { FailedMigration, MigrationScript } from './apply.types.js';
import { executionModeOf } from './execution-mode.js';
import type { RunnerOptions } from './lock-retries.js';
import { attemptModeOf, ScriptRun } from './run-script.js';
import { beginScript, withScriptSession } from './script-session.js';

/** The session's name in pg_stat_activity. */
export const APPLY_SESSION = 'pgkeep deploy apply';

/** How long a deploy waits for Prisma's lock: as long as Prisma's engine. */
const LOCK_PATIENCE_MS = 10_000;
const PAUSE_MS = 250;

/** The outcome of the scripts. */
export interface ApplyOutcome {
  /** The one that failed, if any. */
  readonly failed: FailedMigration | undefined;
  /** Number of retries for a lock. */
  readonly retries: number;
  /** Objects that already existed and differ from what a statement declares: `IF NOT EXISTS` did nothing. */
  readonly found: readonly string[];
}

/**
 * Applies scripts in order, in a dedicated session that holds Prisma's lock; the history is written as
 * `prisma migrate deploy` leaves it.
 * @throws PgkeepError `DEPLOY_REFUSED` if another session deploys, or a migration failed in the meantime; what the
 *   connection throws before the first script.
 */
export async function applyScripts(
  scripts: readonly MigrationScript[],
  options: RunnerOptions,
): Promise<ApplyOutcome> {
  return await withScriptSession(options, APPLY_SESSION, (client, backendPid) =>
    applyAll(client, backendPid, scripts, options),
  );
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
  // The DDL guard allows this session everything while the deploy lock is held.
  await client.query(oneMessage(`SET search_path TO ${escapeIdentifier(url.schema)}`, LIFT_DDL_GUARD));
  await history.prepare(timeouts);
  // The previous holder of Prisma's lock may have applied some.
  await requireNoFailedAttempt(client, url.schema, timeouts);
  const attempts = await readAttempts(client, url.schema, timeouts);
  const applied = new Set(attempts.filter(({ state }) => state === 'applied').map(({ name }) => name));
  const found: string[] = [];
  let retries = 0;
  for (const script of scripts) {
    const { name, sql } = script.migration;
    if (applied.has(name)) {
      onStep(`${name} was applied by another program in the meantime`);
      continue;
    }
    if (signal.aborted) break;
    onStep(`Applying ${name}`);
    const id = await history.begin(name, sql, attemptModeOf(executionModeOf(script.parsed)));
    await client.query(beginScript(options));
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
    // 0 and not RESET, which would restore the limits of the database or the role.
    await client.query(oneMessage('SET statement_timeout = 0', 'SET lock_timeout = 0', RESTORE_DDL_GUARD));
  }
  return { failed: undefined, retries, found };
}

/** Polls, because a waiting statement keeps a snapshot open, for which CREATE INDEX CONCURRENTLY would wait. */
async function takePrismaLock(client: Client, { timeouts, signal }: RunnerOptions): Promise<void> {
  const end = performance.now() + LOCK_PATIENCE_MS;
  for (;;) {
    const holders = await tryPrismaLock(client, timeouts);
    if (holders === undefined) return;
    if (performance.now() > end && holders.length > 0) throw beingDeployed(holders);
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
