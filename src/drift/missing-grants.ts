import { escapeIdentifier, type ClientBase } from 'pg';
import { currentRole } from '../postgres/current-role.js';
import { read, type ReadTimeouts } from '../postgres/read.js';

/** Of the two tables that a look for drift reads those that this role may not. */
const READABLE_QUERY = `
  SELECT n.nspname AS schema, c.relname AS table, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS "maySee"
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE (n.nspname, c.relname) IN (('pgkeep', 'catalogue_fingerprint'), ($1, '_prisma_migrations'))
     AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
   ORDER BY 1, 2`;

/**
 * The grants without which this role cannot look for drift, as SQL.
 * @returns undefined where none is missing.
 * @throws what the connection throws.
 */
export async function missingGrants(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
): Promise<string | undefined> {
  const hidden = await read<{ schema: string; table: string; maySee: boolean }>(client, {
    sql: READABLE_QUERY,
    values: [schema],
    ...timeouts,
  });
  if (hidden.length === 0) return undefined;
  const role = escapeIdentifier(await currentRole(client, timeouts));
  const grants = hidden.flatMap((one) => {
    const own = escapeIdentifier(one.schema);
    const select = `GRANT SELECT ON ${own}.${escapeIdentifier(one.table)} TO ${role};`;
    return one.maySee ? [select] : [`GRANT USAGE ON SCHEMA ${own} TO ${role};`, select];
  });
  return grants.join(' ');
}
