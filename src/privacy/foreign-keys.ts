import { type ClientBase, escapeIdentifier } from 'pg';
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

/**
 * Returns the keys of those rows of `parent` that rows of the foreign key's child refer to and that do not go.
 * @param goingChildren the rows of the child that go as well; undefined if none does
 */
export async function referredKeys(
  client: ClientBase,
  key: ForeignKey,
  parent: GoingRows,
  goingChildren: GoingRows | undefined,
): Promise<string[]> {
  const stays = goingChildren ? ` AND NOT (${hasKey(goingChildren.table, 'c', '$2')})` : '';
  const { rows } = await client.query<{ key: string }>(
    `SELECT (${keySql(parent.table, 'p')})::text AS key FROM ${parent.table.sql} p
      WHERE ${hasKey(parent.table, 'p', '$1')}
        AND EXISTS (SELECT FROM ${key.child} c WHERE ${refersTo(key)}${stays})`,
    [parent.keys, ...(goingChildren ? [goingChildren.keys] : [])],
  );
  return rows.map((row) => row.key);
}
