import type { ClientBase } from 'pg';
import { read, type ReadTimeouts } from './read.js';

/**
 * Whether a table exists, whoever may read it. Asked of the catalogue, because asking the table itself would
 * write an error into the server's log, once an evaluation.
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
