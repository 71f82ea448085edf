import { type ClientBase, escapeIdentifier } from 'pg';
import { OWN_STRUCTURE } from '../postgres/catalogue/structure-queries.js';
import { currentRole, read, type ReadTimeouts } from '../postgres/read.js';

/**
 * Returns why Prisma’s engine is not used to compare. It creates the PostgreSQL schema if it is missing. It also reads columns
 * from the information schema, which hides those of tables that the role has no privilege on: it would report each of
 * them as missing.
 * @returns undefined if it can be used.
 * @throws what the connection throws.
 */
export async function prismaComparisonObstacle(
  client: ClientBase,
  schema: string,
  timeouts: ReadTimeouts,
): Promise<string | undefined> {
  const schemas = await read(client, {
    sql: 'SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1',
    values: [schema],
    ...timeouts,
  });
  if (schemas.length === 0) return `there is no PostgreSQL schema ${escapeIdentifier(schema)}.`;
  const rows = await read<{ name: string }>(client, {
    sql: `WITH ${OWN_STRUCTURE}
          SELECT r.name
            FROM own r
            JOIN pg_catalog.pg_class c ON c.oid = r.oid
           WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition
             AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
             AND NOT pg_catalog.has_any_column_privilege(r.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
           ORDER BY r.name COLLATE "C"`,
    ...timeouts,
  });
  const [first] = rows;
  if (!first) return undefined;
  const role = escapeIdentifier(await currentRole(client, timeouts));
  const more = rows.length === 1 ? '' : ` and ${rows.length - 1} more`;
  return `role ${role} has no privilege on ${first.name}${more}, which Prisma would report as missing. Grant it: GRANT pg_read_all_data TO ${role};`;
}

/** Of the two tables that a look for drift reads, those that this role cannot read. */
const READABLE_QUERY = `
  SELECT n.nspname AS schema, c.relname AS table, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS "maySee"
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE (n.nspname, c.relname) IN (('pgkeep', 'catalogue_fingerprint'), ($1, '_prisma_migrations'))
     AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'))
   ORDER BY 1, 2`;

/**
 * Returns the missing grants that this role needs to look for drift, as SQL.
 * @returns undefined if none is missing.
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
