import { Injectable } from '@nestjs/common';
import { DeployDependencies } from '../deploy-dependencies.js';
import type { RollbackOptions, RollbackPlan, RollbackReport } from './rollback.types.js';

/** Rolls back the newest applied migration with its `down.sql`: backed up, all or nothing, recorded. */
@Injectable()
export class RollbackService {
  constructor(private readonly dependencies: DeployDependencies) {}

  /**
   * Returns what a rollback would do now; changes nothing.
   * @throws PgkeepError `ROLLBACK_REFUSED` if the environment, the history or the `down.sql` forbids one (what it
   *   would lose is in the plan), or a `DATABASE_…` code.
   */
  async plan(options: Pick<RollbackOptions, 'migration' | 'lose'> = {}): Promise<RollbackPlan> {
    return await (await this.run(options)).plan();
  }

  /**
   * Runs the `down.sql` and marks the migration as rolled back, in one transaction.
   * @throws PgkeepError `ROLLBACK_REFUSED`: nothing was touched; `ROLLBACK_FAILED` and `INTERRUPTED`, whose message
   *   says what state the database is in; a code of the backup's, or `DATABASE_…`: nothing was rolled back.
   */
  async rollback(options: RollbackOptions = {}): Promise<RollbackReport> {
    return await (await this.run(options)).rollback();
  }

  /** Loaded only here: the parser is megabytes of WebAssembly, and a service rolls nothing back. */
  private async run(options: RollbackOptions) {
    const { RollbackRun } = await import('./rollback-run.js');
    return new RollbackRun(this.dependencies, options);
  }
}
