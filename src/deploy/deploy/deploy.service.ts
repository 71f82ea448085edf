import { Injectable } from '@nestjs/common';
import { DeployDependencies } from '../deploy-dependencies.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy.types.js';

/** Deploys the application's pending migrations: linted, backed up, with timeouts, recorded. */
@Injectable()
export class DeployService {
  constructor(private readonly dependencies: DeployDependencies) {}

  /**
   * Returns what a deploy would do now; changes nothing.
   * @throws PgkeepError `DEPLOY_REFUSED` if the environment or the history forbids one (findings of the lint are in
   *   the plan), `LINT_FAILED`, or a `DATABASE_…` code.
   */
  async plan(options: Pick<DeployOptions, 'outOfOrder'> = {}): Promise<DeployPlan> {
    return await (await this.run(options)).plan();
  }

  /**
   * Applies the pending migrations, each as one transaction where PostgreSQL allows it: the history is written as
   * `prisma migrate deploy` leaves it.
   * @throws PgkeepError `DEPLOY_REFUSED`: nothing was touched; `DEPLOY_FAILED` and `INTERRUPTED`, whose message says
   *   what state the database is in; a code of the backup's, or `DATABASE_…`: nothing was migrated.
   */
  async deploy(options: DeployOptions = {}): Promise<DeployReport> {
    return await (await this.run(options)).deploy();
  }

  /** Loaded only here: the parser is megabytes of WebAssembly, and a service deploys nothing. */
  private async run(options: DeployOptions) {
    const { DeployRun } = await import('./deploy-run.js');
    return new DeployRun(this.dependencies, options);
  }
}
