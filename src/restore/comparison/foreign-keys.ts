import { escapeIdentifier, type Client } from 'pg';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';

/** A foreign key, with what a query for its orphaned rows needs. */
export interface ForeignKey {
  /** `table constraint`, quoted where SQL needs it. */
  readonly name: string;
  /** As FROM takes it: with ONLY for a table whose inheriting tables' rows do not count. */
  readonly child: string;
  readonly parent: string;
  /** The columns in pairs, with the operator of the constraint. */
  readonly pairs: readonly KeyPair[];
  readonly match: 'full' | 'simple';
  /** False if it is NOT VALID: PostgreSQL has not checked the rows that existed before it. */
  readonly validated: boolean;
  /** False if its triggers are disabled: new rows are not checked. */
  readonly enabled: boolean;
}

interface KeyPair {
  readonly child: string;
  readonly operator: string;
  readonly parent: string;
}

/** Lists the foreign keys, without the copies on the partitions of a partitioned table. */
export async function listForeignKeys(client: Client): Promise<ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(`
    SELECT pg_catalog.format('%s %I', r.name, c.conname) AS name,
           pg_catalog.concat(CASE r.relkind WHEN 'r' THEN 'ONLY ' END, r.name) AS child,
           pg_catalog.concat(CASE p.relkind WHEN 'r' THEN 'ONLY ' END,
                             pg_catalog.format('%I.%I', n.nspname, p.relname)) AS parent,
           CASE c.confmatchtype WHEN 'f' THEN 'full' ELSE 'simple' END AS match,
           c.convalidated AS validated,
           NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                        WHERE t.tgconstraint = c.oid AND t.tgenabled NOT IN ('O', 'A')) AS enabled,
           (SELECT pg_catalog.json_agg(pg_catalog.json_build_object(
                     'child', ca.attname,
                     'operator', pg_catalog.format('OPERATOR(%I.%s)', opn.nspname, op.oprname),
                     'parent', pa.attname) ORDER BY k.position)
              FROM unnest(c.conkey, c.confkey, c.conpfeqop)
                     WITH ORDINALITY AS k (child, parent, operator, position)
              JOIN pg_catalog.pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
              JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
              JOIN pg_catalog.pg_operator op ON op.oid = k.operator
              JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace) AS pairs
      FROM ${OWN_RELATIONS} r
      JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid AND c.contype = 'f' AND c.conparentid = 0
      JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
     ORDER BY 1`);
  return rows;
}

/**
 * Returns the query that counts the rows that violate a foreign key. MATCH SIMPLE ignores rows with a NULL in the key,
 * MATCH FULL only rows whose key is NULL in every column.
 */
export function orphanQuery({ child, parent, pairs, match }: ForeignKey): string {
  const columns = pairs.map((pair) => `c.${escapeIdentifier(pair.child)}`);
  const equal = pairs.map(
    (pair) => `p.${escapeIdentifier(pair.parent)} ${pair.operator} c.${escapeIdentifier(pair.child)}`,
  );
  const allThere = columns.map((column) => `${column} IS NOT NULL`).join(' AND ');
  const missing = `${allThere} AND NOT EXISTS (SELECT FROM ${parent} p WHERE ${equal.join(' AND ')})`;
  const mixed = `num_nulls(${columns.join(', ')}) BETWEEN 1 AND ${columns.length - 1}`;
  const broken = match === 'full' && columns.length > 1 ? `(${missing}) OR pg_catalog.${mixed}` : missing;
  return `SELECT pg_catalog.count(*)::text AS orphans FROM ${child} c WHERE ${broken}`;
}
