import type { ClientBase, QueryResultRow } from 'pg';
import { inTransaction } from './transaction.js';

/** How long the server may work on a read. */
export interface ReadTimeouts {
  /** In ms. */
  readonly statementTimeoutMs: number;
  /** The longest wait for a lock, in ms; below the statement timeout, to distinguish a lock from a slow query. */
  readonly lockTimeoutMs: number;
}

/** A read as a pure plan: the query, and how long the server may work on it. */
export interface ReadPlan extends ReadTimeouts {
  /** One SELECT. */
  readonly sql: string;
  readonly values?: readonly unknown[];
  /** Whether JIT is off, whose compilation can cost more than a query of the catalogue. */
  readonly isWithoutJit?: boolean;
}

/**
 * Reads inside a read-only transaction with its own timeouts.
 * @throws the server's error, after the transaction was ended.
 */
export async function read<Row extends QueryResultRow>(client: ClientBase, plan: ReadPlan): Promise<Row[]> {
  return await inTransaction(client, { ...plan, mode: 'READ ONLY' }, async () => {
    const { rows } = await client.query<Row>(plan.sql, plan.values && [...plan.values]);
    return rows;
  });
}

/**
 * Reads the one row of a query that always answers with one, as `read` does.
 * @throws the server's error; an Error where there is no row.
 */
export async function readOne<Row extends QueryResultRow>(client: ClientBase, plan: ReadPlan): Promise<Row> {
  return oneRow(await read<Row>(client, plan));
}

/**
 * Reads the one row of a query that always answers with one, in the transaction that the caller has open.
 * @throws the server's error; an Error where there is no row.
 */
export async function queryOne<Row extends QueryResultRow>(
  client: ClientBase,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Row> {
  return oneRow((await client.query<Row>(sql, [...values])).rows);
}

/** Returns the first row. @throws Error where there is none. */
export function oneRow<Row>([row]: readonly Row[]): Row {
  if (row === undefined) throw new Error('the server answered without a row');
  return row;
}

/** Returns the role that statements run as, for messages that name the grant to give. */
export async function currentRole(client: ClientBase, timeouts: ReadTimeouts): Promise<string> {
  const sql = 'SELECT current_user::text AS role';
  return (await readOne<{ role: string }>(client, { sql, ...timeouts })).role;
}

/**
 * Returns whether a table exists, readable or not. Reads the catalogue: a query of the table would write an error into
 * the server's log at every evaluation.
 */
export async function tableExists(
  client: ClientBase,
  { schema, table }: { schema: string; table: string },
  timeouts: ReadTimeouts,
): Promise<boolean> {
  const rows = await read(client, {
    sql: `SELECT FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
    values: [schema, table],
    ...timeouts,
  });
  return rows.length > 0;
}

/**
 * Reads whether the current role has INSERT on a table, from the catalogue, which every role may read.
 * @returns undefined if the table does not exist.
 * @throws what the connection throws.
 */
export async function mayInsert(
  client: ClientBase,
  { schema, table }: { schema: string; table: string },
  timeouts: ReadTimeouts,
): Promise<boolean | undefined> {
  const rows = await read<{ allowed: boolean }>(client, {
    sql: `SELECT pg_catalog.has_table_privilege(c.oid, 'INSERT') AS allowed
            FROM pg_catalog.pg_class c
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relname = $2`,
    values: [schema, table],
    ...timeouts,
  });
  return rows[0]?.allowed;
}
