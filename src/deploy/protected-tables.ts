import { type ClientBase, escapeIdentifier } from 'pg';
import { messageOf, PgkeepError } from '../core/errors.js';
import { boundedList, counted, shellWord } from '../core/text.js';
import { read, readOne, type ReadTimeouts } from '../postgres/read.js';
import type { DeployConnection } from './deploy-connection.js';
import type { LostRows } from './deploy/deploy.types.js';
import { type Refuse, refused } from './preconditions.js';

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

/** The row count of a protected table before the first migration. */
interface CountedTable {
  readonly table: ProtectedTable;
  readonly rows: number;
}

/** How long counting one table may take; it is counted exactly, whatever its size. */
interface CountOptions {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
}

/** Counts the protected tables. @throws PgkeepError `DEPLOY_REFUSED` if one cannot be counted. */
export async function countProtected(
  connection: DeployConnection,
  tables: readonly ProtectedTable[],
  options: CountOptions,
): Promise<CountedTable[]> {
  const countedTables: CountedTable[] = [];
  for (const table of tables) {
    try {
      countedTables.push({ table, rows: await countRows(connection, table.quoted, options) });
    } catch (error) {
      throw refused(
        `the rows of ${table.name}, which is protected (PROTECTED_TABLES), cannot be counted: ${causeOf(error)}`,
        'MIGRATIONS_STATEMENT_TIMEOUT and MIGRATIONS_LOCK_TIMEOUT limit how long counting may take.',
      );
    }
  }
  return countedTables;
}

/** Returns the tables that have fewer rows now, or can no longer be counted. */
export async function findLostRows(
  connection: DeployConnection,
  before: readonly CountedTable[],
  options: CountOptions,
): Promise<LostRows[]> {
  const lost: LostRows[] = [];
  for (const { table, rows } of before) {
    const { name } = table;
    try {
      const now = await nameNow(connection, table, options);
      const after = now === undefined ? null : await countRows(connection, now, options);
      if (after === null || after < rows) lost.push({ name, before: rows, after });
    } catch (error) {
      lost.push({ name, before: rows, after: null, notCounted: causeOf(error) });
    }
  }
  return lost;
}

/** Returns the error of a completed deploy that removed protected rows. Pure. */
export function rowsLost(
  lost: readonly LostRows[],
  tables: readonly ProtectedTable[],
  { applied, backup, isPlain }: { applied: readonly string[]; backup: string | null; isPlain: boolean },
): PgkeepError {
  const message = [
    `${lost.length === 1 ? 'A protected table' : 'Protected tables'} lost rows (PROTECTED_TABLES):`,
    ...lost.map((one) => `  ${lossText(one)}`),
    `The migrations remain applied: ${boundedList(applied)}.`,
    ...(backup === null ? [] : [`Backup made before the deploy: ${backup}.`]),
  ];
  return new PgkeepError('DEPLOY_FAILED', message.join('\n'), {
    hint: nextSteps(lost, tables, backup, isPlain).join('\n'),
  });
}

function lossText({ name, before, after, notCounted }: LostRows): string {
  const had = counted(before, 'row');
  if (notCounted !== undefined) return `${name} had ${had} and can no longer be counted: ${notCounted}`;
  return after === null
    ? `${name} no longer exists; it had ${had}`
    : `${name} has ${counted(after, 'row')}; it had ${before.toLocaleString('en-US')}`;
}

function nextSteps(
  lost: readonly LostRows[],
  tables: readonly ProtectedTable[],
  backup: string | null,
  isPlain: boolean,
): string[] {
  if (backup === null) {
    return [
      'No backup was made before the deploy (--without-backup). `pgkeep backup list` shows earlier ones.',
    ];
  }
  const why = 'Restore the rows into a separate database; nothing in use is changed';
  if (isPlain) {
    return [`${why}. ${backup} is a plain dump: use psql.`];
  }
  const names = tables
    .filter(({ name }) => lost.some((one) => one.name === name))
    .flatMap(({ leaves }) => leaves);
  return [
    `${why}. The output shows the command that copies them back:`,
    `  npx pgkeep restore ${backup} --tables ${shellWord(names.join(','))} --into rows_from_before`,
  ];
}

/** Returns the cause without the operation, which the surrounding sentence names. */
function causeOf(error: unknown): string {
  return messageOf((error instanceof PgkeepError && error.cause) || error);
}

/** Returns the current name: a renamed table is found by its oid, a re-created one by its name. */
async function nameNow(
  connection: DeployConnection,
  { oid, quoted }: ProtectedTable,
  options: ReadTimeouts,
): Promise<string | undefined> {
  const [row] = await connection.use('count the rows of', (client) =>
    read<{ name: string | null }>(client, {
      sql: `SELECT coalesce((SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c
                               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid),
                            CASE WHEN pg_catalog.to_regclass($2) IS NOT NULL THEN $2 END) AS name`,
      values: [oid, quoted],
      ...options,
    }),
  );
  return row?.name ?? undefined;
}

async function countRows(connection: DeployConnection, name: string, options: CountOptions): Promise<number> {
  const { statementTimeoutMs } = options;
  const { rows } = await connection.use(
    'count the rows of',
    (client) =>
      readOne<{ rows: number }>(client, {
        sql: `SELECT pg_catalog.count(*)::float8 AS rows FROM ${name}`,
        ...options,
      }),
    statementTimeoutMs,
  );
  return rows;
}
