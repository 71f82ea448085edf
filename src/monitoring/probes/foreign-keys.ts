import { identifier } from '../../core/text.js';
import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row extends ObjectName {
  readonly parent: string;
  readonly columns: readonly string[];
}

const CODES = {
  FOREIGN_KEY_UNINDEXED: {
    meaning:
      'A foreign key of a table of more than 10,000 rows has no index: a DELETE or a change of the key in the other table reads all of it.',
    remedy: 'Create the index, in a migration.',
  },
} as const;

/** Finds foreign keys of large tables without an index that begins with their columns. */
export const foreignKeys = defineProbe<Row, keyof typeof CODES>({
  name: 'foreign-keys',
  tier: 'hour',
  cost: '1 ms; 9 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    SELECT n.nspname AS schema, c.relname AS name, p.relname AS parent,
           (SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.position)
              FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY u(attnum, position)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_class p ON p.oid = k.confrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE k.contype = 'f' AND k.conparentid = 0 AND ${IS_OF_APPLICATION}
       AND greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid)) > 10000
       AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_index i
          WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
            AND (i.indkey::int2[])[0:pg_catalog.cardinality(k.conkey) - 1] @> k.conkey
            AND (i.indkey::int2[])[0:pg_catalog.cardinality(k.conkey) - 1] <@ k.conkey)
     ORDER BY c.relpages DESC, 1, 2, 4 LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const table = nameOf(row);
      const columns = row.columns.map((column) => identifier(column)).join(', ');
      return {
        code: 'FOREIGN_KEY_UNINDEXED',
        severity: 'info',
        subject: `${table}(${columns})`,
        text: `${table}(${columns}) has no index: each DELETE in ${identifier(row.parent)} reads all of ${table}`,
        sql: `CREATE INDEX CONCURRENTLY ON ${table} (${columns});`,
      };
    }),
  }),
});
