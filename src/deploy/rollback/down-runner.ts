import { oneMessage } from '../../postgres/mark.js';
import { ENTER_RECORDED_DEPLOY } from '../../migrations/recorded-deploy.js';
import type { FailedScript } from '../apply/apply.types.js';
import { tryForLock, type RunnerOptions } from '../apply/lock-retries.js';
import type { PlannedMigration } from '../deploy.types.js';
import type { RollbackSession } from './rollback-session.js';

/** Runs a `down.sql`: under timeouts, and once more where a lock was not to be had. */
export class DownRunner {
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
