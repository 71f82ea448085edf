import { type Client, type ClientBase, escapeIdentifier } from 'pg';
import { counted } from '../../core/text.js';
import { oneMessage } from '../../postgres/mark.js';
import { send } from '../apply/script-session.js';
import { rollbackRefused } from '../refusals.js';
import { tookProtected } from './draft-rollback.js';
import type { Down } from './read-down.js';

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

/** A table, or a partition of one, as it is at one moment of a transaction. */
interface TableState {
  readonly oid: string;
  /** schema.table, unquoted. */
  readonly name: string;
  /** The names of its columns by their numbers. */
  readonly columns: Readonly<Record<string, string>>;
  readonly bytes: number;
  /** Of the table that it is a partition of; its own where it is none. */
  readonly rootName: string;
  /** Rows deleted in this transaction, by whatever statement, trigger or foreign key. */
  readonly deleted: number;
}

const STATE_QUERY = `
  SELECT c.oid::text AS oid, n.nspname || '.' || c.relname AS name,
         coalesce((SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_class p
                     JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                    WHERE c.relispartition AND p.oid = pg_catalog.pg_partition_root(c.oid)),
                  n.nspname || '.' || c.relname) AS "rootName",
         coalesce((SELECT pg_catalog.json_object_agg(a.attnum, a.attname) FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns,
         pg_catalog.pg_relation_size(c.oid)::float8 AS bytes,
         pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::float8 AS deleted
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep')
     AND c.relname <> '_prisma_migrations'
   ORDER BY 2`;

/** The tables as this transaction sees them. @throws what the connection throws. */
async function readTableStates(client: ClientBase): Promise<TableState[]> {
  return (await client.query<TableState>(STATE_QUERY)).rows;
}

/**
 * What a script took and its text did not say: by CASCADE, a trigger, a foreign key that deletes, a DO block. A table
 * without a page has nothing to lose. Pure.
 * @param foreseen names of tables and columns
 * @returns each as text.
 */
function unforeseenLosses(
  before: readonly TableState[],
  after: readonly TableState[],
  foreseen: ReadonlySet<string>,
): { name: string; text: string }[] {
  return before.flatMap((table) => {
    if (table.bytes === 0 || foreseen.has(table.rootName)) return [];
    const now = after.find(({ oid }) => oid === table.oid);
    const name = table.rootName;
    if (!now) return [{ name, text: `table ${table.name} and its rows` }];
    const columns = Object.entries(table.columns)
      .filter(([number, column]) => !(number in now.columns) && !foreseen.has(`${name}.${column}`))
      .map(([, column]) => ({ name: `${name}.${column}`, text: `column ${name}.${column} and its values` }));
    if (now.bytes === 0) return [{ name, text: `all rows of ${table.name}` }];
    if (now.deleted === 0) return columns;
    const rows = `${counted(now.deleted, 'row')} of ${table.name}`;
    return [...columns, { name, text: rows }];
  });
}
