import { OWN_RELATIONS } from './own-relations.js';
import { TABLE_QUERIES } from './table-queries.js';

/** The parts of a database's structure that drift is looked for in. */
export const STRUCTURE_SECTIONS = [
  'schemas',
  'extensions',
  'types',
  'tables',
  'columns',
  'constraints',
  'indexes',
  'sequences',
  'views',
  'functions',
  'triggers',
  'policies',
  'eventTriggers',
] as const;

export type StructureSection = (typeof STRUCTURE_SECTIONS)[number];

/**
 * One query a section, on the CTE `own`: `home`, `object` and `definition`, none of them null but the definition of
 * what was dropped meanwhile. Left out: pgkeep's own objects, members of extensions, rights, owners, comments and the
 * storage parameters of tables.
 */
export const STRUCTURE_QUERIES: Readonly<Record<StructureSection, string>> = {
  ...TABLE_QUERIES,
  schemas: `
    SELECT '' AS home, pg_catalog.format('schema %I', n.nspname) AS object, '' AS definition
      FROM pg_catalog.pg_namespace n
     WHERE ${isOwnObject('pg_namespace', 'n')}`,
  extensions: `
    SELECT '' AS home, pg_catalog.format('extension %I', e.extname) AS object,
           pg_catalog.format('VERSION %s SCHEMA %I', e.extversion, n.nspname) AS definition
      FROM pg_catalog.pg_extension e
      JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace`,
  types: `
    SELECT '' AS home,
           pg_catalog.format('%s %I.%I', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type'
                                                        ELSE 'composite type' END, n.nspname, t.typname) AS object,
           CASE t.typtype
             WHEN 'e' THEN (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(l.enumlabel), ', ' ORDER BY l.enumsortorder)
                              FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid)
             WHEN 'd' THEN pg_catalog.concat_ws(' ', pg_catalog.format_type(t.typbasetype, t.typtypmod),
                             CASE WHEN t.typcollation <> b.typcollation
                                  THEN (SELECT pg_catalog.format('COLLATE %I', o.collname)
                                          FROM pg_catalog.pg_collation o WHERE o.oid = t.typcollation) END,
                             CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                             'DEFAULT ' || t.typdefault,
                             (SELECT pg_catalog.string_agg(pg_catalog.format('CONSTRAINT %I %s', c.conname, pg_catalog.pg_get_constraintdef(c.oid)),
                                                           ' ' ORDER BY c.conname)
                                FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype <> 'n'))
             WHEN 'r' THEN (SELECT 'OF ' || pg_catalog.format_type(g.rngsubtype, NULL)
                              FROM pg_catalog.pg_range g WHERE g.rngtypid = t.oid)
             ELSE (SELECT pg_catalog.string_agg(pg_catalog.format('%I %s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)),
                                                ', ' ORDER BY a.attnum)
                     FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) END AS definition
      FROM pg_catalog.pg_type t
      JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
      LEFT JOIN pg_catalog.pg_class k ON k.oid = t.typrelid
     WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND k.relkind = 'c')) AND ${isOwnObject('pg_type', 't')}`,
  functions: `
    SELECT '' AS home,
           pg_catalog.format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
                             n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) AS object,
           CASE p.prokind
             WHEN 'a' THEN (SELECT pg_catalog.concat_ws(' ', 'SFUNC', a.aggtransfn, 'STYPE', pg_catalog.format_type(a.aggtranstype, NULL),
                                                        'FINALFUNC ' || nullif(a.aggfinalfn::text, '-'), 'INITCOND ' || a.agginitval)
                              FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid)
             ELSE pg_catalog.btrim(pg_catalog.pg_get_functiondef(p.oid), E'\\n') END AS definition
      FROM pg_catalog.pg_proc p
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
     WHERE ${isOwnObject('pg_proc', 'p')}`,
  eventTriggers: `
    SELECT '' AS home, pg_catalog.format('event trigger %I', e.evtname) AS object,
           pg_catalog.concat_ws(' ', 'ON', e.evtevent,
             'WHEN TAG IN (' || pg_catalog.array_to_string(e.evttags, ', ') || ')', 'EXECUTE FUNCTION', e.evtfoid::pg_catalog.regproc,
             CASE e.evtenabled WHEN 'D' THEN '(disabled)' WHEN 'R' THEN '(on replicas only)' WHEN 'A' THEN '(always)' END) AS definition
      FROM pg_catalog.pg_event_trigger e
     WHERE e.evtname !~ '^pgkeep_' AND ${isOfNoExtension('pg_event_trigger', 'e')}`,
};

/**
 * The relations whose structure is the application's, as the CTE `own` that the queries of `structure-queries.ts` and
 * `table-queries.ts` select from: without pgkeep's records and Prisma's history.
 */
export const OWN_STRUCTURE = `own AS MATERIALIZED (
  SELECT r.oid, r.name, r.relkind, r.relispartition, r.relpersistence, r.relrowsecurity, r.relforcerowsecurity,
         c.relname, c.reloptions
    FROM ${OWN_RELATIONS} r
    JOIN pg_catalog.pg_class c ON c.oid = r.oid
    JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
   WHERE n.nspname <> 'pgkeep' AND c.relname <> '_prisma_migrations')`;

/** Returns the condition that an object of a system catalogue belongs to the application: to its schemas, to no extension. */
function isOwnObject(catalogue: string, alias: string): string {
  return `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep', 'pgkeep_guard') AND ${isOfNoExtension(catalogue, alias)}`;
}

/** Returns the condition that an object was not created by another: an extension (`e`), a type or an identity column (`i`). */
function isOfNoExtension(catalogue: string, alias: string): string {
  return `NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.${catalogue}'::pg_catalog.regclass
                         AND d.objid = ${alias}.oid AND d.deptype IN ('e', 'i'))`;
}
