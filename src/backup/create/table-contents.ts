import { queryOne } from '../../postgres/read.js';
import { escapeIdentifier, escapeLiteral, type Client } from 'pg';
import type { SequenceState, TableContents } from '../backup.types.js';
import { errorCode } from '../../core/errors.js';
import { HAS_ROWS_IN_BACKUP, OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { isNameNotFound } from '../../postgres/catalogue/unqualified-names.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { releasingLocks } from './snapshot.js';

/**
 * The name of the hash method, for the manifest. PostgreSQL's 64-bit hash of each value's text, seeded with the hash of
 * the previous column by name (a restore may change the order of columns), summed up exactly over the rows. The order of
 * rows does not matter; a missing or additional row does. It proves that a restore has the same contents, on the same
 * major version; the archive's sha256 protects against forgery.
 * (Hashing the text of complete rows takes three times as long, because of the quoting. A hash of an array of the
 * values' hashes is linear, and does not notice values that were swapped between rows.)
 */
export const CONTENT_HASH_METHOD = 'sum(hashtextextended(text, hash of the column before by name))';

/** Represents NULL; no real text is equal to it. */
const NULL_TEXT = 'pgkeep: null, 8d0c41a6-7f0d-4f3e-9a55-0b6d2f6f1c7e';

/** How many tables or sequences are read before their locks, and those of their indexes, are released. */
const CHUNK = 10;
/** SQLSTATEs of a relation that does not exist, is another kind of object, or cannot be read during recovery. */
const UNREADABLE = new Set<string>([
  SQLSTATE.undefinedTable,
  SQLSTATE.invalidSchemaName,
  SQLSTATE.wrongObjectType,
  SQLSTATE.undefinedColumn,
  SQLSTATE.featureNotSupported,
]);

/** A table with its own rows, and how to read them. */
export interface TablePlan {
  /** Quoted if SQL needs it. */
  readonly name: string;
  /** Sorted by name. */
  readonly columns: readonly ColumnPlan[];
  /** Whether an index of it has an expression: PostgreSQL evaluates that when it plans any query of the table. */
  readonly hasExpressions: boolean;
}

export interface ColumnPlan {
  readonly name: string;
  /** Whether a cast to text uses the type's output function and no user-defined function. */
  readonly castsToText: boolean;
  /** Whether PostgreSQL computes it from the other columns: a dump does not contain its values. */
  readonly generated: boolean;
}

/** A condition for types whose cast to text uses the output function. Domains are excluded: their base type is unknown. */
const CASTS_TO_TEXT = `t.typtype <> 'd' AND NOT EXISTS (
  SELECT FROM pg_catalog.pg_cast k
   WHERE k.castsource = t.oid AND k.casttarget = 'pg_catalog.text'::pg_catalog.regtype AND k.castmethod = 'f')`;

/** Lists the tables whose rows pg_dump writes. A partitioned table has no rows itself: its partitions have them. */
export async function listTables(client: Client, options: { unlogged: boolean }): Promise<TablePlan[]> {
  const { rows } = await client.query<TablePlan>(
    `SELECT r.name, coalesce(c.columns, '[]') AS columns,
            EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = r.oid
                       AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)) AS "hasExpressions"
       FROM ${OWN_RELATIONS} r
       CROSS JOIN LATERAL (
         SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'castsToText', ${CASTS_TO_TEXT},
                                                                 'generated', a.attgenerated <> '')
                                    ORDER BY a.attname::text COLLATE "C") AS columns
           FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
          WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped) c
      WHERE r.relkind = 'r' AND (r.relpersistence <> 'u' OR $1) AND ${HAS_ROWS_IN_BACKUP}
      ORDER BY r.name COLLATE "C"`,
    [options.unlogged],
  );
  return rows;
}

/** Returns the query that counts and hashes one table. It uses ONLY, because child tables are read separately. */
export function contentQuery({ name, columns }: TablePlan): string {
  const written = columns.filter(({ generated }) => !generated);
  const sums = [
    `${sumOf(columns)} AS hash`,
    ...(written.length < columns.length ? [`${sumOf(written)} AS written`] : []),
  ];
  return `SELECT count(*)::text AS rows, ${sums.join(', ')} FROM ONLY ${name} t`;
}

function sumOf(columns: readonly ColumnPlan[]): string {
  const hash = columns.reduce(
    (before, column) => `pg_catalog.hashtextextended(${textOf(column)} COLLATE "C", ${before})`,
    '0',
  );
  return `coalesce(sum(${hash}), 0)::text`;
}

/** Returns an expression for the text of the type's output function. */
function textOf({ name, castsToText }: ColumnPlan): string {
  const column = `t.${escapeIdentifier(name)}`;
  return castsToText ? `coalesce(${column}::text, '${NULL_TEXT}')` : `ROW(${column})::text`;
}

interface ContentRow {
  readonly rows: string;
  readonly hash: string;
  readonly written?: string;
}

/** Counts and hashes every table in the client's transaction. */
export async function readContents(client: Client, tables: readonly TablePlan[]): Promise<TableContents[]> {
  const contents: TableContents[] = [];
  for (const chunk of chunksOf(tables)) {
    await releasingLocks(client, async () => {
      for (const table of chunk) contents.push(await readTable(client, table));
    });
  }
  return contents;
}

async function readTable(client: Client, table: TablePlan): Promise<TableContents> {
  const row = await (table.hasExpressions ? readPastNames(client, table) : readRow(client, table));
  const { hash: contentHash, written: writtenHash } = row;
  return { name: table.name, rows: Number(row.rows), contentHash, writtenHash };
}

async function readRow(client: Client, table: TablePlan): Promise<ContentRow> {
  return await queryOne<ContentRow>(client, contentQuery(table));
}

/**
 * Reads a table with an index expression. PostgreSQL inlines SQL functions of the expression when it plans, and one that
 * names an object without its schema fails. The query is then repeated with the database's own search_path.
 */
async function readPastNames(client: Client, table: TablePlan): Promise<ContentRow> {
  await client.query('SAVEPOINT contents');
  try {
    return await readRow(client, table);
  } catch (error) {
    if (!isNameNotFound(errorCode(error))) throw error;
    await client.query('ROLLBACK TO SAVEPOINT contents');
    await client.query(
      `SELECT pg_catalog.set_config('search_path', s.reset_val, true)
         FROM pg_catalog.pg_settings s WHERE s.name = 'search_path'`,
    );
    const row = await readRow(client, table);
    await client.query('ROLLBACK TO SAVEPOINT contents');
    return row;
  }
}

/** Reads the values of the sequences, which are not part of a snapshot: read before the dump, they are not ahead of it. */
export async function readSequences(client: Client): Promise<SequenceState[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT r.name FROM ${OWN_RELATIONS} r WHERE r.relkind = 'S' ORDER BY r.name COLLATE "C"`,
  );
  const states: SequenceState[] = [];
  for (const chunk of chunksOf(rows.map(({ name }) => name))) {
    states.push(...(await readSequenceChunk(client, chunk)));
  }
  return states;
}

/** Reads some sequences. One that was dropped after the snapshot, or is unlogged on a standby, counts as never used. */
async function readSequenceChunk(client: Client, names: readonly string[]): Promise<SequenceState[]> {
  const states = names.map(
    (
      name,
    ) => `SELECT ${escapeLiteral(name)} AS name, CASE WHEN is_called THEN last_value::text END AS "lastValue"
                 FROM ${name}`,
  );
  try {
    const { rows } = await releasingLocks(client, () =>
      client.query<SequenceState>(states.join(' UNION ALL ')),
    );
    return rows;
  } catch (error) {
    if (!UNREADABLE.has(errorCode(error) ?? '')) throw error;
    const [only] = names;
    if (only !== undefined && names.length === 1) return [{ name: only, lastValue: null }];
    const each = [];
    for (const name of names) each.push(...(await readSequenceChunk(client, [name])));
    return each;
  }
}

function* chunksOf<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += CHUNK) yield items.slice(start, start + CHUNK);
}
