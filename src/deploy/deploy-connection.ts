import type { Client } from 'pg';
import { interrupted, PgkeepError } from '../core/errors.js';
import { runOnDedicatedConnection } from '../postgres/run-on-connection.js';
import type { DeployDependencies } from './deploy-dependencies.js';

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
