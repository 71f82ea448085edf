import type { Client } from 'pg';
import { describeDatabaseUrl } from '../config/database-url.js';
import { withConnection } from '../postgres/connect.js';
import { databaseError } from '../postgres/database-fault.js';
import { interrupted, PgkeepError } from '../core/errors.js';
import type { DeployNeeds } from './deploy-dependencies.js';

/** What an interrupted deploy has done. */
export const NOTHING_MIGRATED = 'nothing was migrated';

/** How the server's process list and an interruption name what is done. */
export interface ConnectionNames {
  readonly applicationName: string;
  readonly ifInterrupted: string;
}

/** The deploy's own connections: one that holds the lock, and fresh ones for what must not depend on it. */
export class DeployConnection {
  constructor(
    private readonly needs: Pick<DeployNeeds, 'settings' | 'timeouts' | 'migrations'>,
    private readonly signal: AbortSignal,
    private readonly names: ConnectionNames = {
      applicationName: 'pgkeep deploy',
      ifInterrupted: NOTHING_MIGRATED,
    },
  ) {}

  /**
   * Runs `work` on a new connection; `operation` completes "Cannot … the database".
   * @param statementTimeoutMs the longest statement of it. Defaults to `DB_QUERY_TIMEOUT`
   * @throws PgkeepError when the connection or `work` fails.
   */
  async use<T>(
    operation: string,
    work: (client: Client) => Promise<T>,
    statementTimeoutMs = this.needs.timeouts.statementTimeoutMs,
  ): Promise<T> {
    const { url, connectTimeoutMs } = this.needs.settings.database;
    const options = {
      connectTimeoutMs,
      // Past the server's own timeout, so that the server's clearer message comes first.
      answerTimeoutMs: statementTimeoutMs + 1000,
      applicationName: this.names.applicationName,
    };
    try {
      return await withConnection(url, options, work);
    } catch (error) {
      if (error instanceof PgkeepError) throw error;
      if (this.signal.aborted) throw interrupted(this.names.ifInterrupted);
      throw databaseError(`${operation} ${describeDatabaseUrl(url)}`, error);
    }
  }

  /** The migrations that the history has as finished. @throws PgkeepError `MIGRATIONS_UNREADABLE`, `DATABASE_…`. */
  async applied(): Promise<ReadonlySet<string>> {
    return await this.use('verify the migrations of', async (client) => {
      const report = await this.needs.migrations.report(client, this.needs.timeouts);
      if ('fault' in report) {
        throw new PgkeepError('MIGRATIONS_UNREADABLE', `${report.fault.text}.`, { hint: report.fault.hint });
      }
      return new Set(report.status.applied);
    });
  }
}
