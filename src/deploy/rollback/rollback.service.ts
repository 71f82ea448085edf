import { Inject, Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { BackupService } from '../../backup/backup.service.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { DriftService } from '../../drift/drift.service.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import { DatabaseService } from '../../postgres/database.service.js';
import type { RollbackDependencies } from '../deploy-dependencies.js';
import type { RollbackOptions, RollbackPlan, RollbackReport } from './rollback.types.js';

/** Rolls back the newest applied migration with its `down.sql`: backed up, all or nothing, recorded. */
@Injectable()
export class RollbackService {
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
    const { settings, clock, migrations, backups, changelog, drift } = this;
    const { timeouts } = this.database;
    const dependencies: RollbackDependencies = {
      settings,
      timeouts,
      clock,
      migrations,
      backups,
      changelog,
      drift,
    };
    return new RollbackRun(dependencies, options);
  }
}
