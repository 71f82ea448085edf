import type { Client } from 'pg';
import { OWN_RELATIONS } from '../postgres/catalogue/own-relations.js';

/** What tables of a restored database have from the tables above them. */
export interface Inheritance {
  /** Constraints that came with the parent's, as `table constraint`: a dump does not name them. */
  readonly constraints: ReadonlySet<string>;
  /** Columns that the parent has, too, as `table.column`. */
  readonly columns: ReadonlySet<string>;
  /** For each partition below a hash-partitioned table: the topmost one. Rows may move among its partitions. */
  readonly hashed: ReadonlyMap<string, string>;
}

/** Reads it in the caller's transaction. */
export async function readInheritance(client: Client): Promise<Inheritance> {
  const constraints = await client.query<{ name: string }>(`
    SELECT pg_catalog.format('%s %I', r.name, c.conname) AS name
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid
     WHERE c.conparentid <> 0 OR c.coninhcount > 0`);
  const columns = await client.query<{ name: string }>(`
    SELECT pg_catalog.format('%s.%I', r.name, a.attname) AS name
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND a.attinhcount > 0`);
  const hashed = await client.query<{ name: string; above: string }>(`
    SELECT r.name, pg_catalog.format('%I.%I', n.nspname, t.relname) AS above
      FROM ${OWN_RELATIONS} r
      CROSS JOIN LATERAL (
        SELECT p.partrelid
          FROM pg_catalog.pg_partition_ancestors(r.oid) WITH ORDINALITY a (oid, distance)
          JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.oid AND p.partstrat = 'h'
         ORDER BY a.distance DESC LIMIT 1) topmost
      JOIN pg_catalog.pg_class t ON t.oid = topmost.partrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
     WHERE r.relkind = 'r' AND r.relispartition`);
  return {
    constraints: new Set(constraints.rows.map(({ name }) => name)),
    columns: new Set(columns.rows.map(({ name }) => name)),
    hashed: new Map(hashed.rows.map(({ name, above }) => [name, above])),
  };
}
