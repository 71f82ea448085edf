import { type Client, escapeIdentifier } from 'pg';
import { interrupted } from '../../core/errors.js';
import { nameOf } from '../../migrations/down/losses.js';
import { ENTER_RECORDED_DEPLOY } from '../../migrations/history/deploy-locks.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { oneMessage } from '../../postgres/mark.js';
import type { FailedScript } from '../apply/apply.types.js';
import { type RunnerOptions, tryForLock } from '../apply/lock-retries.js';
import { cancelBackend } from '../apply/script-session.js';
import type { RollbackNeeds } from '../deploy-dependencies.js';
import { takePrismaLock } from '../deploy-lock.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { rollbackRefused } from '../refusals.js';
import type { RollbackDraft } from './draft-rollback.js';
import { namesToType, rollbackCommand } from './losses.js';
import { RollbackSession } from './rollback-session.js';

/** How a `down.sql` is run. */
export interface DownRunOptions extends RollbackNeeds {
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** The names that were typed. */
  readonly lose: readonly string[];
}

/** What became of it, as far as its session knows. */
export interface DownOutcome {
  readonly failed: FailedScript | undefined;
  readonly retries: number;
  readonly wasCommitting: boolean;
}

/** How the server's process list knows the session. */
export const SESSION_NAME = 'pgkeep rollback';

/**
 * Runs a `down.sql` on a session of its own, under the timeouts, and again where its lock was not to be had.
 * @throws PgkeepError `ROLLBACK_REFUSED`, `INTERRUPTED`; what connecting throws.
 */
export async function runDown(draft: RollbackDraft, options: DownRunOptions): Promise<DownOutcome> {
  const { settings, timeouts, signal, onStep } = options;
  const { url, connectTimeoutMs } = settings.database;
  if (signal.aborted) throw interrupted('nothing was taken back');
  // No answer is waited for longer than the server works: the statement timeout is its own.
  const connection: ConnectionOptions = {
    connectTimeoutMs,
    answerTimeoutMs: 0,
    applicationName: SESSION_NAME,
    purpose: 'scripts',
  };
  return await withConnection(url, connection, async (client) => {
    await takePrismaLock(client, timeouts, rollbackRefused);
    const backendPid = await prepare(client, url.schema);
    const session = new RollbackSession(client, backendPid, transactionOptions(draft, options));
    const runner = new DownRunner(draft.down.script, {
      ...settings.deploy,
      url,
      timeouts,
      connectTimeoutMs,
      signal,
      onStep,
    });
    const cancel = (): void =>
      void cancelBackend(backendPid, { url, timeouts, connectTimeoutMs }, SESSION_NAME);
    signal.addEventListener('abort', cancel);
    try {
      await runner.run(session);
    } catch (error) {
      // Whatever is not about the script broke before it: the limits could not be set.
      if (!runner.failed) throw error;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
    return { failed: runner.failed, retries: runner.retries, wasCommitting: session.isCommitting };
  });
}

function transactionOptions(
  { plan, down, losses, protectedNames }: RollbackDraft,
  { settings, lose }: DownRunOptions,
) {
  const { schema } = settings.database.url;
  const typed = lose.flatMap((name) => [name, `${schema}.${name}`]);
  const tables = losses.flatMap(({ kind, table }) => (kind === 'rows' && table ? [nameOf(table)] : []));
  const names = namesToType(plan.losses, lose, schema);
  return {
    down,
    schema,
    foreseen: new Set(
      [...typed, ...tables, ...losses.map(({ name }) => name)].filter((name) => !protectedNames.has(name)),
    ),
    protectedNames,
    command: (more: readonly string[]) => rollbackCommand(plan.migration, [...new Set([...names, ...more])]),
  };
}

async function prepare(client: Client, schema: string): Promise<number> {
  // The script names tables as the migration does.
  await client.query(`SET search_path TO ${escapeIdentifier(schema)}`);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** Runs a `down.sql`: under timeouts, and once more where a lock was not to be had. */
class DownRunner {
  /** Why it failed, where it did. */
  failed: FailedScript | undefined;
  /** How often it was tried again. */
  retries = 0;

  constructor(
    private readonly migration: PlannedMigration,
    private readonly options: RunnerOptions,
  ) {}

  /** @throws what node-postgres throws where the limits cannot be set; what the script throws is in `failed`. */
  async run(session: RollbackSession): Promise<void> {
    const { migration, options } = this;
    const { onStep, statementTimeoutMs, lockTimeoutMs } = options;
    const { backendPid } = session;
    onStep(`Rolling back ${migration.name}`);
    const limits = [`SET statement_timeout = ${statementTimeoutMs}`, `SET lock_timeout = ${lockTimeoutMs}`];
    await session.prepare(oneMessage(...limits, ENTER_RECORDED_DEPLOY));
    let completed = 0;
    const attempt = async (): Promise<void> => {
      completed = 0;
      await session.run(() => {
        completed += 1;
      });
    };
    const onRetry = (): void => {
      this.retries += 1;
    };
    const trial = { migration: migration.name, backendPid, mayRepeat: true, onRetry };
    const failure = await tryForLock(attempt, trial, options);
    if (failure) this.failed = { ...failure, migration, backendPid, completed };
  }
}
