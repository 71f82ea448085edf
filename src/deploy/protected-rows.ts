import { boundedList, counted, shellWord } from '../core/text.js';
import { read, readOne, type ReadTimeouts } from '../postgres/read.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import type { DeployConnection } from './deploy-connection.js';
import type { LostRows } from './deploy/deploy.types.js';
import type { ProtectedTable } from './protected-tables.js';
import { refused } from './refusals.js';

/** The row count of a protected table before the first migration. */
export interface CountedTable {
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
