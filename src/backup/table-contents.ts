import { escapeIdentifier, type Client } from 'pg';
import type { SequenceState, TableContents } from './backup.types.js';
import { KeepError } from '../errors.js';
import { OWN_RELATIONS } from './own-relations.js';

/**
 * The name of the method below, kept in the manifest. PostgreSQL's 64-bit hash of each row's text, its columns in
 * the order of their names (a restore may change the order they are stored in), summed up exactly: the order of
 * the rows does not matter, a row too many or too few does. It proves that a restore brought the same contents
 * back, on the same major version; against forgery there is the archive's sha256.
 */
export const CONTENT_HASH_METHOD = 'sum(hashtextextended(row by column name, 0))';

/** A table that holds rows of its own, as a pure plan. */
export interface TablePlan {
  /** Quoted where SQL needs it. */
  readonly name: string;
  /** Column names, sorted. */
  readonly columns: readonly string[];
}

/** The tables whose rows pg_dump writes. A partitioned table has none: its partitions do. */
export async function listTables(client: Client, options: { unlogged: boolean }): Promise<TablePlan[]> {
  const { rows } = await client.query<{ name: string; columns: string[] }>(
    `SELECT r.name,
            array(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                   WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
                   ORDER BY a.attname::text COLLATE "C") AS columns
       FROM ${OWN_RELATIONS} r
      WHERE r.relkind = 'r' AND (r.relpersistence <> 'u' OR $1)
      ORDER BY r.name COLLATE "C"`,
    [options.unlogged],
  );
  return rows;
}

/**
 * Keeps migrations off until the transaction ends, as pg_dump does in its own: a table that was not hashed yet would
 * else be behind a migration that waits for pg_dump, and be another one when its turn comes.
 * @throws KeepError `BACKUP_FAILED` where one was emptied or rewritten after the snapshot: it would look empty.
 */
export async function lockTables(client: Client, tables: readonly TablePlan[]): Promise<void> {
  if (tables.length === 0) return;
  await client.query(
    `LOCK TABLE ${tables.map(({ name }) => `ONLY ${name}`).join(', ')} IN ACCESS SHARE MODE`,
  );
  // The function tells the file of now, the column that of the snapshot.
  const { rows } = await client.query<{ name: string }>(
    `SELECT r.name FROM ${OWN_RELATIONS} r JOIN pg_catalog.pg_class c ON c.oid = r.oid
      WHERE r.relkind = 'r' AND pg_catalog.pg_relation_filenode(r.oid) IS DISTINCT FROM c.relfilenode
      ORDER BY r.name COLLATE "C"`,
  );
  if (rows.length === 0) return;
  throw new KeepError(
    'BACKUP_FAILED',
    `Cannot back up: ${rows.map(({ name }) => name).join(', ')} was truncated or rewritten at the very moment the backup began.`,
    { hint: 'Run the backup again when the migration is through.' },
  );
}

/** The query that counts and hashes one table. ONLY: the rows of its children are the children's. */
export function contentQuery({ name, columns }: TablePlan): string {
  const row = columns.map((column) => `t.${escapeIdentifier(column)}`).join(', ');
  return `SELECT count(*)::text AS rows,
                 coalesce(sum(pg_catalog.hashtextextended(ROW(${row})::text COLLATE "C", 0)), 0)::text AS hash
            FROM ONLY ${name} t`;
}

/** Counts and hashes every table in the client's transaction. */
export async function readContents(client: Client, tables: readonly TablePlan[]): Promise<TableContents[]> {
  const contents: TableContents[] = [];
  for (const table of tables) {
    const { rows } = await client.query<{ rows: string; hash: string }>(contentQuery(table));
    const row = rows[0];
    if (!row) throw new Error('the server answered without a row');
    contents.push({ name: table.name, rows: Number(row.rows), contentHash: row.hash });
  }
  return contents;
}

/** Where the sequences stand. They obey no snapshot: asked before the dump, they are not ahead of it. */
export async function readSequences(client: Client): Promise<SequenceState[]> {
  const { rows } = await client.query<{ name: string; last_value: string | null }>(
    `SELECT r.name, pg_catalog.pg_sequence_last_value(r.oid)::text AS last_value
       FROM ${OWN_RELATIONS} r WHERE r.relkind = 'S' ORDER BY r.name COLLATE "C"`,
  );
  return rows.map(({ name, last_value: lastValue }) => ({ name, lastValue }));
}
