import { Inject, Injectable } from '@nestjs/common';
import { BackupService } from '../../backup/backup.service.js';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { Clock } from '../../core/clock.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { DriftService } from '../../drift/drift.service.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import type { DeployNeeds } from '../deploy-dependencies.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy.types.js';

/** Brings the guarded application's pending migrations into its database: judged, backed up, under timeouts, recorded. */
@Injectable()
export class DeployService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly migrations: MigrationsService,
    private readonly backups: BackupService,
    private readonly changelog: AuditLogService,
    private readonly drift: DriftService,
  ) {}

  /**
   * What a deploy would do now; touches nothing.
   * @throws PgkeepError `DEPLOY_REFUSED` where the environment or the history forbids one (findings of the lint are in
   *   the plan), `LINT_FAILED`, or a `DATABASE_…` code.
   */
  async plan(options: Pick<DeployOptions, 'outOfOrder'> = {}): Promise<DeployPlan> {
    return await (await this.run(options)).plan();
  }

  /**
   * Applies what is pending, each migration as one transaction where PostgreSQL allows it: the history is as
   * `prisma migrate deploy` leaves it.
   * @throws PgkeepError `DEPLOY_REFUSED`: nothing was touched; `DEPLOY_FAILED` and `INTERRUPTED`, whose message says
   *   what the database is like now; a code of the backup's, or `DATABASE_…`: nothing was migrated.
   */
  async deploy(options: DeployOptions = {}): Promise<DeployReport> {
    return await (await this.run(options)).deploy();
  }

  /** Loaded only here: the parser is megabytes of WebAssembly, and a service deploys nothing. */
  private async run(options: DeployOptions) {
    const { DeployRun } = await import('./deploy-run.js');
    const { settings, clock, migrations, backups, changelog, drift } = this;
    const { timeouts } = this.database;
    const needs: DeployNeeds = { settings, timeouts, clock, migrations, backups, changelog, drift };
    return new DeployRun(needs, options);
  }
}
