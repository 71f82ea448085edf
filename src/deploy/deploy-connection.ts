import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { BackupService } from '../backup/backup.service.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { interrupted, PgkeepError } from '../core/errors.js';
import { DriftService } from '../drift/drift.service.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { PolicyService } from '../policy/policy.service.js';
import { runOnDedicatedConnection } from '../postgres/connect.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { ReadTimeouts } from '../postgres/read.js';

/** What a deploy or a rollback needs of other modules. */
@Injectable()
export class DeployDependencies {
  readonly timeouts: ReadTimeouts;

  constructor(
    @Inject(SETTINGS) readonly settings: Settings,
    database: DatabaseService,
    readonly clock: Clock,
    readonly migrations: MigrationsService,
    readonly backups: BackupService,
    readonly changelog: AuditLogService,
    readonly drift: DriftService,
    readonly policy: PolicyService,
  ) {
    this.timeouts = database.timeouts;
  }
}

/** Names of the operation: in pg_stat_activity, and when it is interrupted. */
export interface ConnectionNames {
  readonly applicationName: string;
  readonly done: Interruptible;
}

/** What did not happen when a command was interrupted. */
export type Interruptible = 'migrated' | 'rolled back' | 'marked';

/** The connections of a deploy: one that holds the lock, and new ones for what must not depend on it. */
export class DeployConnection {
  constructor(
    private readonly dependencies: Pick<DeployDependencies, 'settings' | 'timeouts' | 'migrations'>,
    private readonly signal: AbortSignal,
    private readonly names: ConnectionNames = { applicationName: 'pgkeep deploy', done: 'migrated' },
  ) {}

  /**
   * Runs `work` on a new connection; `operation` completes "Cannot … the database".
   * @param statementTimeoutMs the longest statement. Defaults to `DB_QUERY_TIMEOUT`
   * @throws PgkeepError when the connection or `work` fails.
   */
  async use<T>(
    operation: string,
    work: (client: Client) => Promise<T>,
    statementTimeoutMs = this.dependencies.timeouts.statementTimeoutMs,
  ): Promise<T> {
    const options = { operation, applicationName: this.names.applicationName, statementTimeoutMs };
    return await runOnDedicatedConnection(this.dependencies.settings.database, options, async (client) => {
      try {
        return await work(client);
      } catch (error) {
        throw this.signal.aborted && !(error instanceof PgkeepError)
          ? interrupted(`nothing was ${this.names.done}`)
          : error;
      }
    });
  }

  /** Returns the migrations that are finished in the history. @throws PgkeepError `MIGRATIONS_UNREADABLE`, `DATABASE_…`. */
  async applied(): Promise<ReadonlySet<string>> {
    return await this.use('verify the migrations of', async (client) => {
      const report = await this.dependencies.migrations.report(client, this.dependencies.timeouts);
      if ('fault' in report) {
        throw new PgkeepError('MIGRATIONS_UNREADABLE', `${report.fault.text}.`, { hint: report.fault.hint });
      }
      return new Set(report.status.applied);
    });
  }
}
