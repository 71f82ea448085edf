/** The prefix of the triggers that enforce the rules for rows: `pgkeep policy apply` creates them. */
export const POLICY_TRIGGER_PREFIX = 'pgkeep_policy_';

/** SQL condition: schema `n` is the application's. */
export const IS_OF_APPLICATION = `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep', 'pgkeep_guard', 'pgkeep_policy')`;

/**
 * Tables of pgkeep that backups hold without their rows: who holds a lease, what was measured, which alerts fire and
 * which sessions ended is true of one database at one time, and not of one that was restored.
 */
export const TABLES_WITHOUT_ROWS: readonly string[] = [
  'pgkeep.lease',
  'pgkeep.sample',
  'pgkeep.monitoring_report',
  'pgkeep.table_size',
  'pgkeep.index_scans',
  'pgkeep.alert',
  'pgkeep.alert_delivery',
  'pgkeep.alert_silence',
  'pgkeep.ended_session',
];

/** SQL condition: relation `r` of {@link OWN_RELATIONS} is in a backup with its rows. */
export const HAS_ROWS_IN_BACKUP = `r.name <> ALL ('{${TABLES_WITHOUT_ROWS.join(',')}}'::pg_catalog.text[])`;

/**
 * The relations that pg_dump writes, as a query to select from: no system schema, no other session's temporary
 * table, nothing that belongs to an extension (`CREATE EXTENSION` makes those). `name` is quoted where SQL needs it.
 */
export const OWN_RELATIONS = `(
  SELECT c.oid, c.relkind, c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
         c.relpartbound, c.relispopulated, c.relnamespace,
         pg_catalog.format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
     AND c.relpersistence <> 't'
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                      WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        AND d.objid = c.oid AND d.deptype = 'e'))`;
