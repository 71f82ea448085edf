import { escapeIdentifier, type Client } from 'pg';
import { oneMessage } from '../../postgres/mark.js';
import { send } from '../apply/script-context.js';
import { rollbackRefused } from '../refused.js';
import { tookProtected } from './keep-protected.js';
import type { Down } from './read-down.js';
import { readTableStates, unforeseenLosses } from './unforeseen.js';

/** What a rollback's transaction goes by. */
export interface TransactionOptions {
  readonly down: Down;
  /** PostgreSQL schema of `_prisma_migrations`, where unqualified names go, too. */
  readonly schema: string;
  /** Tables and columns that the script says to take. */
  readonly foreseen: ReadonlySet<string>;
  /** Tables whose rows must stay. */
  readonly protectedNames: ReadonlySet<string>;
  /** The command that consents to more. */
  readonly command: (more: readonly string[]) => string;
}

/**
 * The session on which a migration is taken back: the script and the mark in the history are one transaction, which is
 * not committed where it took something that its text did not say.
 */
export class RollbackSession {
  /** Whether COMMIT was sent: before that, a session that is lost changed nothing. */
  isCommitting = false;

  constructor(
    private readonly client: Client,
    readonly backendPid: number,
    private readonly options: TransactionOptions,
  ) {}

  /** Runs what comes before the script. @throws what node-postgres throws. */
  async prepare(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  /** @param onStatement called for every statement that PostgreSQL says is done. @throws what node-postgres throws. */
  async run(onStatement: () => void): Promise<void> {
    const { sql } = this.options.down.script;
    const path = `SET LOCAL search_path TO ${escapeIdentifier(this.options.schema)}`;
    await this.client.query(oneMessage('BEGIN', path));
    try {
      await this.takeBack(sql, onStatement);
      this.isCommitting = true;
      await this.client.query('COMMIT');
    } catch (error) {
      // Where the session is lost this fails as well, and the first error is the one to tell.
      await this.client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  private async takeBack(sql: string, onStatement: () => void): Promise<void> {
    const { client } = this;
    await this.markRolledBack();
    const before = await readTableStates(client);
    await send(client, sql, onStatement);
    const more = unforeseenLosses(before, await readTableStates(client), this.options.foreseen);
    if (more.length === 0) return;
    const kept = more.find(({ name }) => this.options.protectedNames.has(name));
    if (kept) throw tookProtected(kept.text);
    throw rollbackRefused(
      `its text does not say so, and it took ${more.map(({ text }) => text).join('; ')}: it was taken back`,
      ['Where that is meant:', `  ${this.options.command(more.map(({ name }) => name))}`].join('\n'),
    );
  }

  /** As Prisma marks a failed one; first, because one that is not the newest any more is not worth its locks. */
  private async markRolledBack(): Promise<void> {
    const { schema, down } = this.options;
    const table = `${escapeIdentifier(schema)}._prisma_migrations`;
    const { rowCount } = await this.client.query(
      `UPDATE ${table} SET rolled_back_at = pg_catalog.now()
        WHERE migration_name = $1 AND finished_at IS NOT NULL AND rolled_back_at IS NULL
          AND migration_name = (SELECT migration_name FROM ${table}
                                 WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
                                 ORDER BY started_at DESC, migration_name DESC LIMIT 1)`,
      [down.script.name],
    );
    if (rowCount !== 0) return;
    throw rollbackRefused(
      `migration ${down.script.name} is not the newest any more`,
      'Somebody deployed meanwhile: see `pgkeep migrate status`.',
    );
  }
}
