import { escapeIdentifier, type ClientBase } from 'pg';
import { read, type ReadTimeouts } from '../postgres/read.js';
import { refused, type Refuse } from './refusals.js';

/** A table of `PROTECTED_TABLES`, and the tables through which its rows can be removed. All names are schema.table. */
export interface ProtectedTable {
  readonly oid: string;
  /** Unquoted. */
  readonly name: string;
  readonly schema: string;
  /** Quoted where SQL needs it. */
  readonly quoted: string;
  /** Itself, its partitions and children, and the tables it is a partition of, unquoted: emptying one removes its rows. */
  readonly family: readonly string[];
  /** The tables that it references, directly or not, unquoted: TRUNCATE … CASCADE of one empties it. */
  readonly referenced: readonly string[];
  /** Those of them that it references through ON DELETE CASCADE only. */
  readonly cascading: readonly string[];
  /** The tables that hold its rows, quoted: itself, or its partitions. */
  readonly leaves: readonly string[];
}

interface Row extends ProtectedTable {
  readonly wanted: string;
  readonly mayRead: boolean;
  readonly isFiltered: boolean;
}

/**
 * Finds the named tables, and checks that their rows can be counted.
 * @param names `schema.table`, or `table` in `schema`
 * @returns the existing tables, and a note for each missing one.
 * @throws PgkeepError `DEPLOY_REFUSED`, or what `refuse` makes; what the connection throws.
 */
export async function readProtectedTables(
  client: ClientBase,
  names: readonly string[],
  { schema, timeouts, refuse = refused }: { schema: string; timeouts: ReadTimeouts; refuse?: Refuse },
): Promise<{ tables: ProtectedTable[]; notes: string[] }> {
  if (names.length === 0) return { tables: [], notes: [] };
  const wanted = names.map((name) => (name.includes('.') ? name : `${schema}.${name}`));
  const rows = await read<Row>(client, { sql: QUERY, values: [wanted], ...timeouts });
  for (const row of rows) await requireCountable(client, row, timeouts, refuse);
  const missing = wanted.filter((name) => !rows.some((row) => row.name === name));
  return {
    tables: rows,
    notes: missing.map((name) => `PROTECTED_TABLES names ${name}, which does not exist`),
  };
}

async function requireCountable(
  client: ClientBase,
  row: Row,
  timeouts: ReadTimeouts,
  refuse: Refuse,
): Promise<void> {
  if (row.mayRead && !row.isFiltered) return;
  const [current] = await read<{ role: string }>(client, {
    sql: 'SELECT current_user::text AS role',
    ...timeouts,
  });
  const role = escapeIdentifier(current?.role ?? '');
  const why = row.mayRead ? `row-level security hides rows from role ${role}` : `role ${role} cannot read it`;
  throw refuse(
    `the rows of ${row.name}, which is protected (PROTECTED_TABLES), cannot be counted: ${why}`,
    row.mayRead
      ? `As a superuser, let the role see all rows: ALTER ROLE ${role} BYPASSRLS;`
      : `Give it the grants: GRANT USAGE ON SCHEMA ${escapeIdentifier(row.schema)} TO ${role}; GRANT SELECT ON ${row.quoted} TO ${role};`,
  );
}

const NAMES = (relations: string): string => `
  (SELECT coalesce(pg_catalog.json_agg(DISTINCT n.nspname || '.' || c.relname), '[]')
     FROM (${relations}) r (oid)
     JOIN pg_catalog.pg_class c ON c.oid = r.oid
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace)`;

const QUERY = `
  WITH RECURSIVE wanted AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name, n.nspname AS schema, c.relname, n.oid AS schema_oid
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND n.nspname || '.' || c.relname = ANY ($1)),
  parts (root, oid) AS (
    SELECT w.oid, w.oid FROM wanted w
     UNION SELECT p.root, i.inhrelid FROM parts p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid),
  wholes (root, oid) AS (
    SELECT w.oid, w.oid FROM wanted w
     UNION SELECT p.root, i.inhparent FROM wholes p JOIN pg_catalog.pg_inherits i ON i.inhrelid = p.oid),
  referenced (root, oid) AS (
    SELECT p.root, k.confrelid FROM parts p JOIN pg_catalog.pg_constraint k ON k.conrelid = p.oid AND k.contype = 'f'
     UNION SELECT f.root, k.confrelid FROM referenced f
             JOIN pg_catalog.pg_constraint k ON k.conrelid = f.oid AND k.contype = 'f'),
  cascading (root, oid) AS (
    SELECT p.root, k.confrelid FROM parts p
      JOIN pg_catalog.pg_constraint k ON k.conrelid = p.oid AND k.contype = 'f' AND k.confdeltype = 'c'
     UNION SELECT f.root, k.confrelid FROM cascading f
             JOIN pg_catalog.pg_constraint k ON k.conrelid = f.oid AND k.contype = 'f' AND k.confdeltype = 'c')
  SELECT w.oid::text AS oid, w.name, w.schema, pg_catalog.format('%I.%I', w.schema, w.relname) AS quoted,
         pg_catalog.has_schema_privilege(w.schema_oid, 'USAGE')
           AND pg_catalog.has_table_privilege(w.oid, 'SELECT') AS "mayRead",
         pg_catalog.row_security_active(w.oid) AS "isFiltered",
         ${NAMES('SELECT oid FROM parts WHERE root = w.oid UNION SELECT oid FROM wholes WHERE root = w.oid')} AS family,
         ${NAMES('SELECT oid FROM referenced WHERE root = w.oid')} AS referenced,
         ${NAMES('SELECT oid FROM cascading WHERE root = w.oid')} AS cascading,
         (SELECT pg_catalog.json_agg(pg_catalog.format('%I.%I', n.nspname, c.relname) ORDER BY n.nspname, c.relname)
            FROM parts p
            JOIN pg_catalog.pg_class c ON c.oid = p.oid AND c.relkind = 'r'
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE p.root = w.oid) AS leaves
    FROM wanted w ORDER BY w.name`;
