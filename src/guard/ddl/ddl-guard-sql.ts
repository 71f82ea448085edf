import { POLICY_TRIGGER_PREFIX } from '../../postgres/catalogue/own-relations.js';
import { OWN_DEPLOY_LOCK } from '../../migrations/history/prisma-history.js';

/** The setting of a session that works for a recorded deploy: no SQL keyword, so that it is not typed by habit. */
const SETTING = 'pgkeep.deploy';

/**
 * SQL that lifts the DDL guard for a session, while `OWN_DEPLOY_LOCK` is held by any session: the setting alone does
 * not. Without a guard it has no effect.
 */
export const LIFT_DDL_GUARD = `SET ${SETTING} = 'on'`;

/** The same for the current transaction only. */
export const LIFT_DDL_GUARD_HERE = `SET LOCAL ${SETTING} = 'on'`;

/** SQL that ends it, for a session that goes on with other work. */
export const RESTORE_DDL_GUARD = `RESET ${SETTING}`;

/** SQL expression: whether the guard is lifted for the current session. */
export const IS_DDL_GUARD_LIFTED = `
  (pg_catalog.current_setting('${SETTING}', true) = 'on'
   AND EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND l.granted
                  AND (l.classid::bigint, l.objid::bigint, l.objsubid::int) = (${OWN_DEPLOY_LOCK.join(', ')})
                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                     WHERE d.datname = pg_catalog.current_database())))`;

/** The event trigger that refuses; while it is off or missing, so is the complete guard. */
export const DDL_GUARD = 'pgkeep_ddl_guard';

/** The event trigger that adds the guard's TRUNCATE trigger to new tables, and keeps it enabled. */
export const DDL_GUARD_TABLES = 'pgkeep_ddl_guard_tables';

/** The SQLSTATE of the DDL guard's refusals, whose hint advises a deploy, which is what failed here. */
export const DDL_GUARD_REFUSED = 'PK003';

/**
 * The schema of the guard's functions. Not pgkeep's own schema, which belongs to the role that installed pgkeep: the owner
 * of a schema can drop its contents, and could rewrite a function that a superuser's session then runs.
 */
export const GUARD_SCHEMA = 'pgkeep_guard';

/** The trigger on every table of the application, because TRUNCATE fires no event trigger. */
export const TRUNCATE_TRIGGER = DDL_GUARD;

const FUNCTION = `LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp`;

/** The guard's functions; each replaces an older one. */
export const GUARD_FUNCTIONS = `
CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.is_production() RETURNS boolean ${FUNCTION} AS $$
DECLARE
  stamped record;
  own_system text;
BEGIN
  -- Dropped, by this command or earlier: assume production.
  IF to_regclass('pgkeep.database_environment') IS NULL THEN RETURN true; END IF;
  LOCK TABLE ONLY pgkeep.database_environment IN ACCESS SHARE MODE;
  -- The stamp belongs to another role, and is read with the rights of this function's owner: a view, a policy or a
  -- user-defined type in its place could run that role's code.
  IF (SELECT count(*) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
       WHERE c.oid = to_regclass('pgkeep.database_environment') AND c.relkind = 'r' AND NOT c.relrowsecurity
         AND a.attname IN ('environment', 'system_identifier', 'database_oid') AND a.attgenerated = ''
         AND a.atttypid IN ('text'::regtype, 'bigint'::regtype)) <> 3 THEN RETURN true; END IF;
  SELECT s.environment, s.system_identifier, s.database_oid INTO stamped FROM ONLY pgkeep.database_environment s;
  IF stamped.environment IS DISTINCT FROM 'production' THEN RETURN false; END IF;
  BEGIN
    SELECT c.system_identifier::text INTO own_system FROM pg_control_system() c;
  EXCEPTION WHEN insufficient_privilege THEN
    own_system := stamped.system_identifier;
  END;
  -- Another identity than the stamped one means a copy.
  RETURN stamped.system_identifier = own_system
     AND stamped.database_oid = (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database());
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.is_closed() RETURNS boolean ${FUNCTION} AS $$
BEGIN
  IF ${IS_DDL_GUARD_LIFTED} THEN RETURN false; END IF;
  RETURN pgkeep_guard.is_production();
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.refuse(what text) RETURNS void ${FUNCTION} AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep: % is refused: database "%" is stamped production', what, current_database()
    USING ERRCODE = '${DDL_GUARD_REFUSED}',
          DETAIL = 'Only a recorded deploy may drop or empty tables or drop columns, whatever the client or role.',
          HINT = 'Put it into a migration and run pgkeep migrate deploy. In an emergency a superuser '
              || 'can switch the guard off: ALTER EVENT TRIGGER ${DDL_GUARD} DISABLE; /ready reports it until ENABLE ALWAYS.';
END
$$;

-- Of dependent objects only complete tables count: not a table's parts, not an extension's tables.
CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.on_drop() RETURNS event_trigger ${FUNCTION} AS $$
DECLARE
  lost text[];
  others text := '';
  what text;
BEGIN
  SELECT array_agg(o.object_identity
                   ORDER BY o.original DESC, o.schema_name = 'pgkeep', o.object_type, o.object_identity) INTO lost
    FROM pg_event_trigger_dropped_objects() o
   WHERE (o.original OR o.normal) AND NOT o.is_temporary
     AND CASE o.object_type
           WHEN 'table' THEN o.schema_name <> 'pgkeep' OR o.object_name = 'database_environment'
           WHEN 'table column' THEN o.schema_name <> 'pgkeep'
           WHEN 'trigger' THEN o.address_names[array_upper(o.address_names, 1)] = '${TRUNCATE_TRIGGER}'
                            OR o.address_names[array_upper(o.address_names, 1)] ^@ '${POLICY_TRIGGER_PREFIX}'
           ELSE false
         END;
  IF lost IS NULL OR NOT pgkeep_guard.is_closed() THEN RETURN; END IF;
  IF cardinality(lost) > 1 THEN others := format(' and %s more', cardinality(lost) - 1); END IF;
  what := CASE WHEN tg_tag IN ('DROP TABLE', 'DROP TRIGGER') THEN format('%s %s%s', tg_tag, lost[1], others)
               WHEN tg_tag = 'ALTER TABLE' THEN format('ALTER TABLE ... DROP COLUMN %s%s', lost[1], others)
               ELSE format('%s, which also drops %s%s,', tg_tag, lost[1], others) END;
  PERFORM pgkeep_guard.refuse(what);
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.on_truncate() RETURNS trigger ${FUNCTION} AS $$
BEGIN
  -- ENABLE ALWAYS, so that session_replication_role does not bypass it; what a publisher emptied is allowed.
  IF (SELECT a.backend_type LIKE 'logical replication%' FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()) THEN
    RETURN NULL;
  END IF;
  -- Disabling or dropping the event trigger switches this off too.
  IF EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = '${DDL_GUARD}' AND e.evtenabled <> 'D')
     AND pgkeep_guard.is_closed() THEN
    PERFORM pgkeep_guard.refuse(format('TRUNCATE %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
  END IF;
  RETURN NULL;
END
$$;

-- A new table gets the TRUNCATE trigger. If a table's triggers are disabled or enabled (DISABLE TRIGGER USER, when
-- loading data), this one and those that enforce the rules for rows are set to ENABLE ALWAYS again.
CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.on_table() RETURNS event_trigger ${FUNCTION} AS $$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT DISTINCT n.nspname, c.relname, coalesce(t.tgname, '${TRUNCATE_TRIGGER}') AS trigger, t.oid IS NULL AS is_new
      FROM pg_event_trigger_ddl_commands() d
      JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal
           AND (t.tgname = '${TRUNCATE_TRIGGER}' OR d.command_tag = 'ALTER TABLE' AND t.tgname ^@ '${POLICY_TRIGGER_PREFIX}')
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'pgkeep' AND NOT d.in_extension
       AND CASE WHEN d.command_tag = 'ALTER TABLE' THEN t.tgenabled <> 'A'
                ELSE d.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') AND t.oid IS NULL END
  LOOP
    -- Not in a copy, and not when the guard is switched off.
    IF NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = '${DDL_GUARD}' AND e.evtenabled <> 'D')
       OR NOT pgkeep_guard.is_production() THEN RETURN; END IF;
    BEGIN
      IF changed.is_new THEN
        EXECUTE format('CREATE TRIGGER ${TRUNCATE_TRIGGER} BEFORE TRUNCATE ON %I.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ${GUARD_SCHEMA}.on_truncate()',
                       changed.nspname, changed.relname);
      END IF;
      EXECUTE format('ALTER TABLE %I.%I ENABLE ALWAYS TRIGGER %I', changed.nspname, changed.relname, changed.trigger);
    EXCEPTION WHEN others THEN
      IF changed.trigger = '${TRUNCATE_TRIGGER}' THEN
        RAISE WARNING 'pgkeep: TRUNCATE of %.% will not be refused: %', changed.nspname, changed.relname, SQLERRM
          USING HINT = 'Run pgkeep install --ddl-guard.';
      ELSE
        RAISE WARNING 'pgkeep: trigger % of %.% stays off: %', changed.trigger, changed.nspname, changed.relname, SQLERRM
          USING HINT = 'Run pgkeep policy apply.';
      END IF;
    END;
  END LOOP;
END
$$;`;

/** The event triggers, re-created: nothing of another role's triggers under these names is left. */
export const GUARD_EVENT_TRIGGERS = `
DROP EVENT TRIGGER IF EXISTS ${DDL_GUARD};
DROP EVENT TRIGGER IF EXISTS ${DDL_GUARD_TABLES};
CREATE EVENT TRIGGER ${DDL_GUARD} ON sql_drop EXECUTE FUNCTION ${GUARD_SCHEMA}.on_drop();
CREATE EVENT TRIGGER ${DDL_GUARD_TABLES} ON ddl_command_end
  WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA', 'ALTER TABLE')
  EXECUTE FUNCTION ${GUARD_SCHEMA}.on_table();
ALTER EVENT TRIGGER ${DDL_GUARD} ENABLE ALWAYS;
ALTER EVENT TRIGGER ${DDL_GUARD_TABLES} ENABLE ALWAYS;`;

/** Names of the guard's functions, with their arguments. */
export const GUARD_FUNCTION_NAMES = [
  'is_production()',
  'is_closed()',
  'refuse(text)',
  'on_drop()',
  'on_truncate()',
  'on_table()',
].map((name) => `${GUARD_SCHEMA}.${name}`);

/**
 * Entries of the DDL guard in `pg_restore --list`. Every restore leaves them out: only a superuser can create event
 * triggers and owns the functions, and it must be possible to drop the tables of a scratch database.
 */
const GUARD_ENTRY = new RegExp(
  [
    `SCHEMA - ${GUARD_SCHEMA} `,
    `FUNCTION ${GUARD_SCHEMA} `,
    `TRIGGER .* ${TRUNCATE_TRIGGER} `,
    `EVENT TRIGGER - (?:${DDL_GUARD}|${DDL_GUARD_TABLES}) `,
    `(?:ACL|COMMENT) (?:- SCHEMA ${GUARD_SCHEMA}|${GUARD_SCHEMA} FUNCTION|- EVENT TRIGGER ${DDL_GUARD})`,
  ]
    .map((entry) => String.raw`^\d+; \d+ \d+ ${entry}`)
    .join('|'),
);

/** The same entries in the comments of a plain dump. */
const GUARD_SECTION = new RegExp(
  [
    `${GUARD_SCHEMA}; Type: SCHEMA;`,
    `.*; Type: FUNCTION; Schema: ${GUARD_SCHEMA};`,
    `.* ${TRUNCATE_TRIGGER}; Type: TRIGGER;`,
    `(?:${DDL_GUARD}|${DDL_GUARD_TABLES}); Type: EVENT TRIGGER;`,
    `(?:SCHEMA ${GUARD_SCHEMA}|EVENT TRIGGER ${DDL_GUARD}); Type: (?:ACL|COMMENT);`,
    `.*; Type: (?:ACL|COMMENT); Schema: ${GUARD_SCHEMA};`,
  ]
    .map((section) => `^-- Name: ${section}`)
    .join('|'),
);

/** The note of a restore, or a restore test, that left the guard out. */
export const GUARD_LEFT_OUT =
  'the DDL guard was not restored (it never is): in production, run `pgkeep install --ddl-guard`';

/** Whether a line of `pg_restore --list` belongs to the DDL guard. Pure. */
export function isGuardEntry(line: string): boolean {
  return GUARD_ENTRY.test(line);
}

/** Whether the comment above an entry of a plain dump belongs to the DDL guard. Pure. */
export function isGuardSection(comment: string): boolean {
  return GUARD_SECTION.test(comment);
}
