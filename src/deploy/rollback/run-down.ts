import { interrupted } from '../../core/errors.js';
import { escapeIdentifier } from 'pg';
import { nameOf } from '../../migrations/down/losses.js';
import type { FailedScript } from '../apply/apply.types.js';
import { type RunnerOptions, tryForLock } from '../apply/lock-retries.js';
import { beginScript, withScriptSession } from '../apply/script-session.js';
import type { DeployDependencies } from '../deploy-dependencies.js';
import { takePrismaLock } from '../deploy-lock.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { rollbackRefused } from '../refusals.js';
import type { RollbackDraft } from './draft-rollback.js';
import { namesToType, rollbackCommand } from './losses.js';
import { RollbackSession } from './rollback-session.js';

/** How a `down.sql` is run. */
export interface DownRunOptions extends Pick<DeployDependencies, 'settings' | 'timeouts'> {
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
export const ROLLBACK_SESSION = 'pgkeep rollback';

/**
 * Runs a `down.sql` in a dedicated session with timeouts, and retries while its lock is not granted.
 * @throws PgkeepError `ROLLBACK_REFUSED`, `INTERRUPTED`; what connecting throws.
 */
export async function runDown(draft: RollbackDraft, options: DownRunOptions): Promise<DownOutcome> {
  const { settings, timeouts, signal, onStep } = options;
  const { url, connectTimeoutMs } = settings.database;
  if (signal.aborted) throw interrupted('nothing was rolled back');
  const runnerOptions = { ...settings.deploy, url, timeouts, connectTimeoutMs, signal, onStep };
  return await withScriptSession(runnerOptions, ROLLBACK_SESSION, async (client, backendPid) => {
    await takePrismaLock(client, timeouts, rollbackRefused);
    // Unqualified names resolve as in the migration.
    await client.query(`SET search_path TO ${escapeIdentifier(url.schema)}`);
    const session = new RollbackSession(client, backendPid, transactionOptions(draft, options));
    const runner = new DownRunner(draft.down.script, runnerOptions);
    try {
      await runner.run(session);
    } catch (error) {
      // Not an error of the script: the limits could not be set.
      if (!runner.failed) throw error;
    }
    return { failed: runner.failed, retries: runner.retries, wasCommitting: session.wasCommitting };
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
    expected: new Set(
      [...typed, ...tables, ...losses.map(({ name }) => name)].filter((name) => !protectedNames.has(name)),
    ),
    protectedNames,
    command: (more: readonly string[]) => rollbackCommand(plan.migration, [...new Set([...names, ...more])]),
  };
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
    const { onStep } = options;
    const { backendPid } = session;
    onStep(`Rolling back ${migration.name}`);
    await session.prepare(beginScript(options));
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
    const trial = { migration: migration.name, backendPid, mayRetry: true, onRetry };
    const failure = await tryForLock(attempt, trial, options);
    if (failure) this.failed = { ...failure, migration, backendPid, completed };
  }
}
