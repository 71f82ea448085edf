import { type Client, escapeIdentifier } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { LIFT_DDL_GUARD } from '../../guard/ddl/lift-ddl-guard.js';
import { nameOf } from '../../migrations/down/losses.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { withConnection } from '../../postgres/connect.js';
import { oneMessage } from '../../postgres/mark.js';
import type { FailedScript } from '../apply/apply.types.js';
import { type RunnerOptions, tryForLock } from '../apply/lock-retries.js';
import { cancelBackend } from '../apply/script-session.js';
import type { RollbackDependencies } from '../deploy-dependencies.js';
import { takePrismaLock } from '../deploy-lock.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { rollbackRefused } from '../refusals.js';
import type { RollbackDraft } from './draft-rollback.js';
import { namesToType, rollbackCommand } from './losses.js';
import { RollbackSession } from './rollback-session.js';

/** How a `down.sql` is run. */
export interface DownRunOptions extends RollbackDependencies {
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** The names passed with `--lose`. */
  readonly lose: readonly string[];
}

/** The outcome, as far as the session knows. */
export interface DownOutcome {
  readonly failed: FailedScript | undefined;
  readonly retries: number;
  readonly wasCommitting: boolean;
}

/** The session's name in pg_stat_activity. */
export const SESSION_NAME = 'pgkeep rollback';

/**
 * Runs a `down.sql` in a dedicated session with timeouts, and retries while its lock is not granted.
 * @throws PgkeepError `ROLLBACK_REFUSED`, `INTERRUPTED`; what connecting throws.
 */
export async function runDown(draft: RollbackDraft, options: DownRunOptions): Promise<DownOutcome> {
  const { settings, timeouts, signal, onStep } = options;
  const { url, connectTimeoutMs } = settings.database;
  if (signal.aborted) throw new PgkeepError('INTERRUPTED', 'Interrupted: nothing was rolled back.');
  // No timeout on the client: the server's statement_timeout decides.
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
      // Not an error of the script: the limits could not be set.
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
  // Unqualified names resolve as in the migration.
  await client.query(`SET search_path TO ${escapeIdentifier(schema)}`);
  const { rows } = await client.query<{ pid: number }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]?.pid ?? 0;
}

/** Runs a `down.sql` with timeouts, and retries while its lock is not granted. */
class DownRunner {
  /** Why it failed, if it did. */
  failed: FailedScript | undefined;
  /** Number of retries. */
  retries = 0;

  constructor(
    private readonly migration: PlannedMigration,
    private readonly options: RunnerOptions,
  ) {}

  /** Runs the script; its error is in `failed`. @throws what node-postgres throws if the limits cannot be set. */
  async run(session: RollbackSession): Promise<void> {
    const { migration, options } = this;
    const { onStep, statementTimeoutMs, lockTimeoutMs } = options;
    const { backendPid } = session;
    onStep(`Rolling back ${migration.name}`);
    const limits = [`SET statement_timeout = ${statementTimeoutMs}`, `SET lock_timeout = ${lockTimeoutMs}`];
    await session.prepare(oneMessage(...limits, LIFT_DDL_GUARD));
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
