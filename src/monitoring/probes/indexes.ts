import { identifier } from '../../core/text.js';
import { defineProbe, type NewFinding } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf } from '../probe-sql.js';

interface Invalid {
  readonly schema: string;
  readonly table: string;
  readonly name: string;
}

interface Duplicate {
  readonly schema: string;
  readonly table: string;
  /** The one to keep first. */
  readonly names: readonly string[];
}

interface Row {
  readonly invalid: readonly Invalid[];
  readonly duplicate: readonly Duplicate[];
}

const CODES = {
  INDEX_INVALID: {
    meaning:
      'An index is invalid: writes maintain it, and no query uses it. A CREATE INDEX CONCURRENTLY failed.',
    remedy: 'Drop the index, and create it again.',
  },
  INDEX_DUPLICATE: {
    meaning: 'Two indexes of a table are the same: columns, order, operator classes, condition.',
    remedy: 'Drop the one that backs no constraint.',
  },
} as const;

type Code = keyof typeof CODES;

/** Finds invalid and duplicate indexes. An index that is being built is not invalid. */
export const indexes = defineProbe<Row, Code>({
  name: 'indexes',
  tier: 'hour',
  cost: '2 ms; 183 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    WITH index AS MATERIALIZED (
      SELECT i.indexrelid, i.indrelid, n.nspname AS schema, t.relname AS table, c.relname AS name, i.indisvalid, i.indisunique,
             i.indkey::text AS key, i.indnkeyatts, i.indclass::text AS classes, i.indcollation::text AS collations,
             i.indoption::text AS options, i.indexprs::text AS expressions, i.indpred::text AS predicate, c.relam,
             EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid) AS backs_constraint
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
       WHERE c.relkind = 'i' AND ${IS_OF_APPLICATION})
    SELECT (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
              SELECT schema, "table", name FROM index
               WHERE NOT indisvalid AND indexrelid NOT IN (
                 SELECT p.index_relid FROM pg_catalog.pg_stat_progress_create_index p)
               ORDER BY 1, 3 LIMIT 20) x) AS invalid,
           (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
              SELECT min(schema) AS schema, min("table") AS "table",
                     pg_catalog.array_agg(name ORDER BY backs_constraint DESC, indisunique DESC, indexrelid) AS names
                FROM index WHERE indisvalid
               GROUP BY indrelid, relam, key, indnkeyatts, classes, collations, options, expressions, predicate
              HAVING count(*) > 1 AND count(*) FILTER (WHERE NOT backs_constraint) > 0 ORDER BY 1, 2 LIMIT 20) x) AS duplicate`,
  judge: ([row]) => ({
    findings: [
      ...(row?.invalid ?? []).map((index) => invalidFinding(index)),
      ...(row?.duplicate ?? []).map((group) => duplicateFinding(group)),
    ],
  }),
});

function invalidFinding({ schema, table, name }: Invalid): NewFinding<Code> {
  return {
    code: 'INDEX_INVALID',
    severity: 'warning',
    subject: nameOf({ schema, name }),
    text: `Index ${identifier(name)} of ${nameOf({ schema, name: table })} is invalid: writes maintain it, and no query uses it`,
    sql: `DROP INDEX CONCURRENTLY ${nameOf({ schema, name })};`,
  };
}

function duplicateFinding({ schema, table, names: [kept = '', ...copies] }: Duplicate): NewFinding<Code> {
  return {
    code: 'INDEX_DUPLICATE',
    severity: 'info',
    subject: nameOf({ schema, name: kept }),
    text: `${copies.map((name) => identifier(name)).join(', ')} of ${nameOf({ schema, name: table })} duplicates ${identifier(kept)}`,
    sql: copies.map((name) => `DROP INDEX CONCURRENTLY ${nameOf({ schema, name })};`).join('\n'),
  };
}
