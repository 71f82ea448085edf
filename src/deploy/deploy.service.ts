import { Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import { DeployDependencies } from './deploy-connection.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy/deploy.types.js';
import type { ResolveExplanation, ResolveOptions, ResolveReport } from './resolve/resolve.types.js';
import type { RollbackOptions, RollbackPlan, RollbackReport } from './rollback/rollback.types.js';

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
    const { DeployRun } = await import('./deploy/deploy-run.js');
    return new DeployRun(this.dependencies, options);
  }
}

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
    const { RollbackRun } = await import('./rollback/rollback-run.js');
    return new RollbackRun(this.dependencies, options);
  }
}

/** Explains failed, rolled back and unknown migrations, and marks them by what the database contains. */
@Injectable()
export class ResolveService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
    private readonly changelog: AuditLogService,
  ) {}

  /**
   * Describes each failed, rolled back or unknown migration: the error, what was applied, the options.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or a `DATABASE_…` code.
   */
  async explain(signal?: AbortSignal): Promise<ResolveExplanation> {
    return await (await this.run(signal)).explain();
  }

  /**
   * Marks a migration as applied or rolled back through Prisma's engine: the history is as `prisma migrate resolve`
   * writes it. Runs none of its statements.
   * @throws PgkeepError `RESOLVE_REFUSED` if the history or the database contradicts: nothing was touched;
   *   `RESOLVE_FAILED`, `INTERRUPTED`, or a `DATABASE_…` code.
   */
  async resolve(options: ResolveOptions): Promise<ResolveReport> {
    return await (await this.run(options.signal)).resolve(options);
  }

  /** Loaded only here: the engine and the parser are megabytes of WebAssembly. */
  private async run(signal: AbortSignal = new AbortController().signal) {
    const { ResolveRun } = await import('./resolve/resolve-run.js');
    const { settings, migrations, changelog } = this;
    return new ResolveRun({ settings, timeouts: this.database.timeouts, migrations, changelog }, signal);
  }
}
