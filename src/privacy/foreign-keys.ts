import { type ClientBase, escapeIdentifier } from 'pg';
import { queryOne } from '../postgres/read.js';
import { hasKey, keySql, type RowTable } from './row-tables.js';

/** A foreign key as PostgreSQL enforces it: also one that the Prisma schema does not know. */
export interface ForeignKey {
  /** The table that refers, as its oid and as SQL. */
  readonly childOid: number;
  readonly child: string;
  /** As a sentence names it. */
  readonly childName: string;
  /** The oid of the table that is referred to. */
  readonly parentOid: number;
  readonly columns: readonly { readonly child: string; readonly parent: string }[];
  /** `a` no action, `r` restrict, `c` cascade, `n` set null, `d` set default. */
  readonly onDelete: 'a' | 'r' | 'c' | 'n' | 'd';
}

/** Reads the foreign keys that refer to some tables; of partitions, those of the partitioned table. */
export async function readForeignKeys(
  client: ClientBase,
  tables: readonly RowTable[],
): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(
    `SELECT f.conrelid::int8::float8 AS "childOid", f.confrelid::int8::float8 AS "parentOid", f.confdeltype AS "onDelete",
            pg_catalog.format('%I.%I', n.nspname, c.relname) AS child, c.relname::text AS "childName",
            (SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('child', a.attname, 'parent', p.attname) ORDER BY k.n)
               FROM ROWS FROM (pg_catalog.unnest(f.conkey), pg_catalog.unnest(f.confkey)) WITH ORDINALITY AS k (child, parent, n)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.child
               JOIN pg_catalog.pg_attribute p ON p.attrelid = f.confrelid AND p.attnum = k.parent) AS columns
       FROM pg_catalog.pg_constraint f
       JOIN pg_catalog.pg_class c ON c.oid = f.conrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      WHERE f.contype = 'f' AND f.conparentid = 0 AND f.confrelid = ANY ($1::oid[])
      ORDER BY f.oid`,
    [tables.map(({ oid }) => oid)],
  );
  return rows;
}

/** Returns the condition that row `c` refers to row `p`. */
export function refersTo({ columns }: ForeignKey): string {
  return columns
    .map(({ child, parent }) => `c.${escapeIdentifier(child)} = p.${escapeIdentifier(parent)}`)
    .join(' AND ');
}

/** Rows that should go: of one table, by their keys, as a JSON array. */
export interface GoingRows {
  readonly table: RowTable;
  readonly keys: string;
}

/** A row that others refer to which do not go: its key, and which foreign keys they have, by their index. */
export interface ReferredRow {
  readonly key: string;
  readonly by: readonly number[];
}

/**
 * Returns those rows of `parent` that rows refer to which do not go.
 * @param foreignKeys those to look at, all of which refer to the parent's table
 * @param goingChildren returns the rows of a table, by its oid, that go as well
 * @param gone a further condition on a child `c` that goes
 */
export async function referredRows(
  client: ClientBase,
  parent: GoingRows,
  foreignKeys: readonly ForeignKey[],
  goingChildren: (oid: number) => GoingRows | undefined,
  gone: (oid: number) => string | undefined = () => undefined,
): Promise<ReferredRow[]> {
  if (foreignKeys.length === 0) return [];
  const values = [parent.keys];
  const conditions = foreignKeys.map((key) => {
    const children = goingChildren(key.childOid);
    const goes = children ? [hasKey(children.table, 'c', `$${values.push(children.keys)}`)] : [];
    const stays = [...goes, ...[gone(key.childOid) ?? []].flat()].map((one) => ` AND NOT (${one})`);
    return `EXISTS (SELECT FROM ${key.child} c WHERE ${refersTo(key)}${stays.join('')})`;
  });
  const { rows } = await client.query<{ key: string; by: boolean[] }>(
    `SELECT * FROM (SELECT (${keySql(parent.table, 'p')})::text AS key, ARRAY[${conditions.join(', ')}] AS by
                      FROM ${parent.table.sql} p WHERE ${hasKey(parent.table, 'p', '$1')}) referred
      WHERE true = ANY (by)`,
    values,
  );
  return rows.map(({ key, by }) => ({
    key,
    by: by.flatMap((isReferring, index) => (isReferring ? [index] : [])),
  }));
}

/**
 * Deletes rows of any tables in one statement: keys that refer to each other, in a circle or within a table, are no
 * obstacle.
 * @returns how many rows were deleted.
 */
export async function deleteRows(client: ClientBase, going: readonly GoingRows[]): Promise<number> {
  if (going.length === 0) return 0;
  const ctes = going.map(
    ({ table }, index) =>
      `d${index} AS (DELETE FROM ${table.sql} t WHERE ${hasKey(table, 't', `$${index + 1}`)} RETURNING 1)`,
  );
  const counts = going.map((_, index) => `(SELECT pg_catalog.count(*) FROM d${index})`).join(' + ');
  const { deleted } = await queryOne<{ deleted: number }>(
    client,
    `WITH ${ctes.join(',\n')} SELECT (${counts})::float8 AS deleted`,
    going.map(({ keys }) => keys),
  );
  return deleted;
}
