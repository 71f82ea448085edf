import { createHash, randomUUID } from 'node:crypto';
import { type ClientBase, escapeIdentifier, escapeLiteral } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { oneMessage } from '../../postgres/mark.js';
import { type ReadTimeouts, tableExists } from '../../postgres/read.js';
import { type AttemptMode, markOf } from './prisma-history.js';

/** Exactly as Prisma creates it: a dump does not show which of the two migrated the database first. */
const TABLE = `CREATE TABLE %s (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)`;

/**
 * Writes `_prisma_migrations` as Prisma's engine does: inserts a row when a migration starts and updates it when the
 * migration ends. Until then, `logs` says how pgkeep runs it.
 */
export class HistoryWriter {
  private readonly table: string;
  private role = 'none';

  /** @param schema PostgreSQL schema of `_prisma_migrations` */
  constructor(
    private readonly client: ClientBase,
    private readonly schema: string,
  ) {
    this.table = `${escapeIdentifier(schema)}._prisma_migrations`;
  }

  /** Creates the schema and the table where they are missing. @throws what the connection throws. */
  async prepare(timeouts: ReadTimeouts): Promise<void> {
    const { client, schema } = this;
    const { rows } = await client.query<{ role: string }>(
      `SELECT pg_catalog.current_setting('role') AS role`,
    );
    this.role = rows[0]?.role ?? 'none';
    if (await tableExists(client, { schema, table: '_prisma_migrations' }, timeouts)) return;
    const found = await client.query('SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1', [schema]);
    if (found.rowCount === 0) await client.query(`CREATE SCHEMA ${escapeIdentifier(schema)}`);
    await client.query(TABLE.replace('%s', this.table));
  }

  /** Records the start. @param script the file's exact text. @returns the attempt's id. @throws what the connection throws. */
  async begin(name: string, script: string, mode: AttemptMode): Promise<string> {
    const id = randomUUID();
    const values = [id, checksumOf(script), name, markOf(mode)].map((value) => escapeLiteral(value));
    await this.write(
      `INSERT INTO ${this.table} (id, checksum, migration_name, logs, started_at)
       VALUES (${values.join(', ')}, pg_catalog.clock_timestamp())`,
    );
    return id;
  }

  /** Changes how the attempt is run, before any statement is applied. @throws what the connection throws. */
  async change(id: string, mode: AttemptMode): Promise<void> {
    await this.update(id, `logs = ${escapeLiteral(markOf(mode))}`);
  }

  /** Records how many statements are applied. @throws what the connection throws. */
  async progress(id: string, steps: number): Promise<void> {
    await this.update(id, `applied_steps_count = ${steps}`);
  }

  /** Records the success, with the row as Prisma leaves it. @throws what the connection throws. */
  async finish(id: string): Promise<void> {
    await this.update(id, 'finished_at = pg_catalog.clock_timestamp(), applied_steps_count = 1, logs = NULL');
  }

  /** Records the failure. @param said its cause, in Prisma's text. @throws what the connection throws. */
  async recordFailure(id: string, mode: AttemptMode, said: string): Promise<void> {
    await this.update(id, `logs = ${escapeLiteral(`${markOf(mode)}\n${said}`)}`);
  }

  private async update(id: string, change: string): Promise<void> {
    await this.write(`UPDATE ${this.table} SET ${change} WHERE id = ${escapeLiteral(id)}`);
  }

  /** Writes in the open transaction, if there is one; as the role that connected, whatever role a script has set. */
  private async write(sql: string): Promise<void> {
    const { client } = this;
    const isOpen = client.getTransactionStatus() === 'T';
    const role = this.role === 'none' ? 'NONE' : escapeLiteral(this.role);
    const begin = isOpen ? [] : ['BEGIN'];
    try {
      const results: unknown = await client.query(oneMessage(...begin, `SET LOCAL ROLE ${role}`, sql));
      if (rowsOf(results) !== 1) throw rowIsGone();
      if (!isOpen) await client.query('COMMIT');
    } catch (error) {
      if (!isOpen) await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }
}

function rowIsGone(): PgkeepError {
  return new PgkeepError(
    'MIGRATION_FAILED',
    'The migration deleted its own row from _prisma_migrations, so the history cannot record that it was applied.',
  );
}

/** Returns the checksum that the history keeps of a file. Pure. */
export function checksumOf(script: string): string {
  return createHash('sha256').update(script).digest('hex');
}

/** Returns the row count of the last of several statements. */
function rowsOf(results: unknown): unknown {
  const last: unknown = Array.isArray(results) ? results.at(-1) : results;
  return last instanceof Object ? Reflect.get(last, 'rowCount') : undefined;
}
