import { createWriteStream } from 'node:fs';
import { mkdir, open, rename, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { distance } from 'fastest-levenshtein';
import type { Client } from 'pg';
import type { Recording } from '../../audit-log/audit-log.types.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { withConnection } from '../../postgres/connect.js';
import { backupName, safeFileName } from '../catalog/backup-name.js';
import { beginSnapshot, whileConnected } from '../create/snapshot.js';
import type { ExportedTable, ExportReport } from './export.service.js';

/** The inputs of an export. */
export interface ExportContext {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly tables: readonly string[];
  /** Undefined: a new one below the working directory. */
  readonly directory: string | undefined;
  readonly signal: AbortSignal;
}

type Exported = Omit<ExportReport, keyof Recording>;

/** A file under a temporary name; it gets its own name when all files are complete. */
interface PendingFile extends ExportedTable {
  readonly temporary: string;
}

/** Exports tables as CSV from one snapshot. If one fails, no file is left. */
export async function exportTables(context: ExportContext): Promise<Exported> {
  const { settings, signal } = context;
  const { url, connectTimeoutMs } = settings.database;
  const options = { connectTimeoutMs, answerTimeoutMs: 0, applicationName: 'pgkeep export' };
  return await withConnection(url, options, (client) =>
    whileConnected(client, signal, async () => {
      const snapshot = await beginSnapshot(client);
      try {
        const tables = findTables(context.tables, await listNamedTables(client), url.schema);
        return await exportInto(client, tables, context);
      } finally {
        snapshot.release();
      }
    }),
  );
}

async function exportInto(
  client: Client,
  tables: readonly NamedTable[],
  { settings, clock, directory: requested, signal }: ExportContext,
): Promise<Exported> {
  const database = settings.database.url.database;
  const directory = path.resolve(
    requested ?? `${backupName(database, settings.environment, clock.now())}_csv`,
  );
  const made = await mkdir(directory, { recursive: true, mode: 0o700 }).catch(cannotWrite(directory));
  const pending: PendingFile[] = [];
  try {
    for (const [index, table] of tables.entries()) {
      const base = fileName(table, pending);
      const temporary = path.join(directory, `.${base}.part`);
      const file = path.join(directory, base);
      pending.push({ name: table.quoted, file, temporary, rows: 0, bytes: 0 });
      const written = await writeTable(client, table, temporary, signal);
      pending[index] = { name: table.quoted, file, temporary, ...written };
    }
    for (const { temporary, file } of pending) await rename(temporary, file);
    await syncDirectory(directory);
  } catch (error) {
    for (const { temporary } of pending) await rm(temporary, { force: true });
    // Only a directory that this run created, and only if it is empty.
    if (made !== undefined) await rmdir(directory).catch(() => undefined);
    throw error;
  }
  const exported = pending.map(({ name, file, rows, bytes }) => ({ name, file, rows, bytes }));
  return { directory, tables: exported };
}

/**
 * Writes one table with pg-copy-streams instead of psql: the connection that holds the snapshot reads all tables, and no
 * other program needs the password.
 */
async function writeTable(
  client: Client,
  { quoted }: NamedTable,
  file: string,
  signal: AbortSignal,
): Promise<{ rows: number; bytes: number }> {
  const { to: copyTo } = await import('pg-copy-streams');
  const copy = client.query(copyTo(`COPY (SELECT * FROM ${quoted}) TO STDOUT WITH (FORMAT csv, HEADER)`));
  await pipeline(copy, createWriteStream(file, { mode: 0o600, flush: true }), { signal }).catch(
    (error: unknown) => {
      throw isOfFiles(error) ? fileError(path.dirname(file), error) : error;
    },
  );
  return { rows: copy.rowCount, bytes: (await stat(file)).size };
}

/** Returns `public.children.csv`; names that would be the same get a number. */
function fileName({ schema, table }: NamedTable, taken: readonly PendingFile[]): string {
  const base = `${safeFileName(schema) || 'schema'}.${safeFileName(table) || 'table'}`;
  const isTaken = (name: string): boolean => taken.some(({ file }) => path.basename(file) === name);
  let name = `${base}.csv`;
  for (let number = 2; isTaken(name); number += 1) name = `${base}-${number}.csv`;
  return name;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Returns whether an error is one of the file system: Node's have a code such as ENOSPC, the server's a SQLSTATE. */
function isOfFiles(error: unknown): boolean {
  return /^E[A-Z]+$/.test(errorCode(error) ?? '') && !/^(ECONN|EPIPE|ETIMEDOUT)/.test(errorCode(error) ?? '');
}

function cannotWrite(directory: string): (error: unknown) => never {
  return (error) => {
    throw fileError(directory, error);
  };
}

function fileError(directory: string, cause: unknown): PgkeepError {
  const code = errorCode(cause) === 'ENOSPC' ? 'STORAGE_FULL' : 'STORAGE_FAILED';
  return new PgkeepError(code, `Cannot write ${directory}: ${messageOf(cause)}`, {
    hint: 'Set --directory to a directory that this user may write to, on a disk with free space. No file was left there.',
    cause,
  });
}

/** A table or view that can be exported. */
export interface NamedTable {
  readonly schema: string;
  readonly table: string;
  /** schema.table, quoted if SQL needs it. */
  readonly quoted: string;
}

/** How many similar names a message suggests. */
const SUGGESTED = 3;

/** Lists everything that has rows to select: tables, partitioned and foreign tables, views. */
async function listNamedTables(client: Client): Promise<NamedTable[]> {
  const { rows } = await client.query<NamedTable>(`
    SELECT n.nspname::text AS schema, c.relname::text AS "table", r.name AS quoted
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_class c ON c.oid = r.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
     ORDER BY r.name COLLATE "C"`);
  return rows;
}

/**
 * Finds the tables that a person typed as `table` or `schema.table`: with the exact name, quoted as in SQL, or in another
 * case if only one table matches. Pure.
 * @param schema the schema to prefer for a name without one
 * @throws PgkeepError `TABLE_NOT_FOUND`, with similar names.
 */
export function findTables(
  typed: readonly string[],
  tables: readonly NamedTable[],
  schema: string,
): NamedTable[] {
  const found = typed.map((text) => findTable(text, tables, schema));
  return found.filter((table, index) => found.indexOf(table) === index);
}

function findTable(text: string, tables: readonly NamedTable[], schema: string): NamedTable {
  const exact = tables.filter((table) => spellings(table).includes(text));
  const matching =
    exact.length > 0
      ? exact
      : tables.filter((table) => spellings(table).some((name) => name.toLowerCase() === text.toLowerCase()));
  const chosen = matching.find((table) => table.schema === schema && exact.includes(table));
  if (chosen) return chosen;
  if (matching[0] && matching.length === 1) return matching[0];
  if (matching.length > 1) {
    throw new PgkeepError('TABLE_NOT_FOUND', `"${text}" is ambiguous: it matches ${namesOf(matching)}.`, {
      hint: 'Type the schema as well, in the exact case.',
    });
  }
  const similar = tables
    .map((table) => ({ table, edits: Math.min(...spellings(table).map((name) => distance(name, text))) }))
    // With more than half of the letters wrong it is another word.
    .filter(({ edits }) => edits <= text.length / 2)
    .toSorted((left, right) => left.edits - right.edits)
    .slice(0, SUGGESTED)
    .map(({ table }) => table);
  throw new PgkeepError('TABLE_NOT_FOUND', `Table "${text}" not found in this database.`, {
    hint: [
      similar.length > 0 ? `Did you mean ${namesOf(similar)}?` : '',
      'Run `pgkeep stats` to see all names.',
    ]
      .join(' ')
      .trim(),
  });
}

function spellings({ schema, table, quoted }: NamedTable): string[] {
  return [table, `${schema}.${table}`, quoted, quotedTable(quoted)];
}

/** Returns the last part of a quoted name. */
function quotedTable(quoted: string): string {
  return /(?:"(?:[^"]|"")*"|[^".]+)$/.exec(quoted)?.[0] ?? quoted;
}

function namesOf(tables: readonly NamedTable[]): string {
  return tables.map(({ quoted }) => quoted).join(' or ');
}
