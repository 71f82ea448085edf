import { OWN_RELATIONS } from './own-relations.js';

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

/** Whether an object of a system catalogue stands by itself: in a schema of the application's, and of no extension. */
export function isOwnObject(catalogue: string, alias: string): string {
  return `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep', 'pgkeep_guard') AND ${isOfNoExtension(catalogue, alias)}`;
}

/** Extensions bring their members (`e`); a type brings its functions, and an identity column its sequence (`i`). */
export function isOfNoExtension(catalogue: string, alias: string): string {
  return `NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                       WHERE d.classid = 'pg_catalog.${catalogue}'::pg_catalog.regclass
                         AND d.objid = ${alias}.oid AND d.deptype IN ('e', 'i'))`;
}
