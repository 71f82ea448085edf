import { type Client, type ClientBase, escapeIdentifier } from 'pg';
import { counted } from '../../core/text.js';
import { oneMessage } from '../../postgres/mark.js';
import { inTransaction, send } from '../apply/script-session.js';
import { rollbackRefused } from '../refusals.js';
import { protectedRemoved } from './draft-rollback.js';
import type { Down } from './read-down.js';

/** What the transaction of a rollback needs to know. */
export interface TransactionOptions {
  readonly down: Down;
  /** PostgreSQL schema of `_prisma_migrations` and of unqualified names. */
  readonly schema: string;
  /** Tables and columns that the script removes by name. */
  readonly expected: ReadonlySet<string>;
  /** Tables whose rows must be kept. */
  readonly protectedNames: ReadonlySet<string>;
  /** Returns the command that also allows these losses. */
  readonly command: (more: readonly string[]) => string;
}

/**
 * The session that rolls a migration back. The script and the mark in the history are one transaction, which is not
 * committed if it removed something that its SQL does not name.
 */
export class RollbackSession {
  /** Whether COMMIT was sent: a session that was lost before that changed nothing. */
  wasCommitting = false;

  constructor(
    private readonly client: Client,
    readonly backendPid: number,
    private readonly options: TransactionOptions,
  ) {}

  /** Runs statements before the script. @throws what node-postgres throws. */
  async prepare(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  /** Runs the script. @param onStatement called for each completed statement @throws what node-postgres throws. */
  async run(onStatement: () => void): Promise<void> {
    const { sql } = this.options.down.script;
    const path = `SET LOCAL search_path TO ${escapeIdentifier(this.options.schema)}`;
    await inTransaction(this.client, this, oneMessage('BEGIN', path), () => this.rollBack(sql, onStatement));
  }

  private async rollBack(sql: string, onStatement: () => void): Promise<void> {
    const { client } = this;
    await this.markRolledBack();
    const before = await readTableStates(client);
    await send(client, sql, onStatement);
    const more = unexpectedLosses(before, await readTableStates(client), this.options.expected);
    if (more.length === 0) return;
    const kept = more.find(({ name }) => this.options.protectedNames.has(name));
    if (kept) throw protectedRemoved(kept.text);
    throw rollbackRefused(
      `down.sql removed ${more.map(({ text }) => text).join('; ')}, which is not named in its SQL; this was rolled back`,
      ['If this is intended:', `  ${this.options.command(more.map(({ name }) => name))}`].join('\n'),
    );
  }

  /** Marks it as Prisma marks a failed one. Runs first, so that no locks are taken if it is no longer the newest. */
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
      `migration ${down.script.name} is no longer the newest applied one`,
      'Another deploy ran in the meantime: see `pgkeep migrate status`.',
    );
  }
}

/** A table or partition at one moment of a transaction. */
interface TableState {
  readonly oid: string;
  /** schema.table, unquoted. */
  readonly name: string;
  /** The names of its columns by their numbers. */
  readonly columns: Readonly<Record<string, string>>;
  readonly bytes: number;
  /** Name of the table that it is a partition of, or its own. */
  readonly rootName: string;
  /** Rows deleted in this transaction, by any statement, trigger or foreign key. */
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

/** Reads the tables as this transaction sees them. @throws what the connection throws. */
async function readTableStates(client: ClientBase): Promise<TableState[]> {
  return (await client.query<TableState>(STATE_QUERY)).rows;
}

/**
 * Finds what a script removed without naming it: by CASCADE, a trigger, a foreign key, a DO block. A table
 * without pages has nothing to lose. Pure.
 * @param expected names of tables and columns
 * @returns each loss as text.
 */
function unexpectedLosses(
  before: readonly TableState[],
  after: readonly TableState[],
  expected: ReadonlySet<string>,
): { name: string; text: string }[] {
  return before.flatMap((table) => {
    if (table.bytes === 0 || expected.has(table.rootName)) return [];
    const now = after.find(({ oid }) => oid === table.oid);
    const name = table.rootName;
    if (!now) return [{ name, text: `table ${table.name} and its rows` }];
    const columns = Object.entries(table.columns)
      .filter(([number, column]) => !(number in now.columns) && !expected.has(`${name}.${column}`))
      .map(([, column]) => ({ name: `${name}.${column}`, text: `column ${name}.${column} and its values` }));
    if (now.bytes === 0) return [{ name, text: `all rows of ${table.name}` }];
    if (now.deleted === 0) return columns;
    const rows = `${counted(now.deleted, 'row')} of ${table.name}`;
    return [...columns, { name, text: rows }];
  });
}
