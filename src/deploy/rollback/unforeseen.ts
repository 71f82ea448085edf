import type { ClientBase } from 'pg';
import { counted } from '../../core/counted.js';

/** A table, or a partition of one, as it is at one moment of a transaction. */
export interface TableState {
  readonly oid: string;
  /** schema.table, unquoted. */
  readonly name: string;
  /** The names of its columns by their numbers. */
  readonly columns: Readonly<Record<string, string>>;
  readonly bytes: number;
  /** Of the table that it is a partition of; its own where it is none. */
  readonly rootName: string;
  /** Rows deleted in this transaction, by whatever statement, trigger or foreign key. */
  readonly deleted: number;
}

const STATE_QUERY = `
  SELECT c.oid::text AS oid, n.nspname || '.' || c.relname AS name,
         coalesce((SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_class p
                     JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                    WHERE c.relispartition AND p.oid = pg_catalog.pg_partition_root(c.oid)),
                  n.nspname || '.' || c.relname) AS "rootName",
         coalesce((SELECT pg_catalog.json_object_agg(a.attnum, a.attname) FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns,
         pg_catalog.pg_relation_size(c.oid)::float8 AS bytes,
         pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::float8 AS deleted
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep')
     AND c.relname <> '_prisma_migrations'
   ORDER BY 2`;

/** The tables as this transaction sees them. @throws what the connection throws. */
export async function readTableStates(client: ClientBase): Promise<TableState[]> {
  return (await client.query<TableState>(STATE_QUERY)).rows;
}

/**
 * What a script took and its text did not say: by CASCADE, a trigger, a foreign key that deletes, a DO block. A table
 * without a page has nothing to lose. Pure.
 * @param foreseen names of tables and columns
 * @returns each as text.
 */
export function unforeseenLosses(
  before: readonly TableState[],
  after: readonly TableState[],
  foreseen: ReadonlySet<string>,
): { name: string; text: string }[] {
  return before.flatMap((table) => {
    if (table.bytes === 0 || foreseen.has(table.rootName)) return [];
    const now = after.find(({ oid }) => oid === table.oid);
    const name = table.rootName;
    if (!now) return [{ name, text: `table ${table.name} and its rows` }];
    const columns = Object.entries(table.columns)
      .filter(([number, column]) => !(number in now.columns) && !foreseen.has(`${name}.${column}`))
      .map(([, column]) => ({ name: `${name}.${column}`, text: `column ${name}.${column} and its values` }));
    if (now.bytes === 0) return [{ name, text: `all rows of ${table.name}` }];
    if (now.deleted === 0) return columns;
    const rows = `${counted(now.deleted, 'row')} of ${table.name}`;
    return [...columns, { name, text: rows }];
  });
}
