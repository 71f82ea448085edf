import { IN_RECORDED_DEPLOY } from '../../migrations/history/deploy-locks.js';
import { DDL_GUARD, DDL_GUARD_TABLES } from '../../postgres/server-facts.js';

/**
 * Where the guard's functions live. Not in pgkeep's own schema, which belongs to whoever installed pgkeep: the owner
 * of a schema may drop what is in it, and of a function may rewrite it, which a superuser's session would then run.
 */
export const GUARD_SCHEMA = 'pgkeep_guard';

/** The trigger on every table of the application's: TRUNCATE fires no event trigger. */
export const TRUNCATE_TRIGGER = DDL_GUARD;

const FUNCTION = `LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp`;

/** The guard's functions; each replaces an older one. Pure SQL, without a name of the database's own in it. */
export const GUARD_FUNCTIONS = `
CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.is_production() RETURNS boolean ${FUNCTION} AS $$
DECLARE
  stamped record;
  own_system text;
BEGIN
  -- Dropped, by this very command or earlier: nobody says any more that this is not production.
  IF to_regclass('pgkeep.database_environment') IS NULL THEN RETURN true; END IF;
  LOCK TABLE ONLY pgkeep.database_environment IN ACCESS SHARE MODE;
  -- The stamp is another role's, and it is read with the rights of this function's owner: a view, a policy or a
  -- type of somebody's own in its place would be somebody's code.
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
  -- Another identity than the stamped one: a copy.
  RETURN stamped.system_identifier = own_system
     AND stamped.database_oid = (SELECT d.oid::bigint FROM pg_database d WHERE d.datname = current_database());
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.is_closed() RETURNS boolean ${FUNCTION} AS $$
BEGIN
  IF ${IN_RECORDED_DEPLOY} THEN RETURN false; END IF;
  RETURN pgkeep_guard.is_production();
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.refuse(what text) RETURNS void ${FUNCTION} AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep: % is refused: database "%" is stamped production', what, current_database()
    USING ERRCODE = 'PK003',
          DETAIL = 'Outside a recorded deploy no table and no column of it is dropped or emptied, whoever asks.',
          HINT = 'Put it into a migration, and deploy that: pgkeep migrate deploy. In an emergency a superuser '
              || 'switches the guard off: ALTER EVENT TRIGGER ${DDL_GUARD} DISABLE; /ready tells it until ENABLE ALWAYS.';
END
$$;

-- Of what goes with something else, only what depended on it as a whole: not a table's parts, not an extension's tables.
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
           ELSE false
         END;
  IF lost IS NULL OR NOT pgkeep_guard.is_closed() THEN RETURN; END IF;
  IF cardinality(lost) > 1 THEN others := format(' and %s more', cardinality(lost) - 1); END IF;
  what := CASE WHEN tg_tag IN ('DROP TABLE', 'DROP TRIGGER') THEN format('%s %s%s', tg_tag, lost[1], others)
               WHEN tg_tag = 'ALTER TABLE' THEN format('ALTER TABLE ... DROP COLUMN %s%s', lost[1], others)
               ELSE format('%s, which takes %s%s with it,', tg_tag, lost[1], others) END;
  PERFORM pgkeep_guard.refuse(what);
END
$$;

CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.on_truncate() RETURNS trigger ${FUNCTION} AS $$
BEGIN
  -- It fires ALWAYS, so that session_replication_role opens no side door; what a publisher emptied is let through.
  IF (SELECT a.backend_type LIKE 'logical replication%' FROM pg_stat_activity a WHERE a.pid = pg_backend_pid()) THEN
    RETURN NULL;
  END IF;
  -- One switch for both: whoever disables or drops the event trigger has switched this off as well.
  IF EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = '${DDL_GUARD}' AND e.evtenabled <> 'D')
     AND pgkeep_guard.is_closed() THEN
    PERFORM pgkeep_guard.refuse(format('TRUNCATE %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME));
  END IF;
  RETURN NULL;
END
$$;

-- A new table gets the TRUNCATE trigger; one whose triggers were switched off or on again (DISABLE TRIGGER USER, as
-- loads of data have it) keeps it as it is to be.
CREATE OR REPLACE FUNCTION ${GUARD_SCHEMA}.on_table() RETURNS event_trigger ${FUNCTION} AS $$
DECLARE
  changed record;
BEGIN
  FOR changed IN
    SELECT DISTINCT n.nspname, c.relname, t.oid IS NULL AS is_new
      FROM pg_event_trigger_ddl_commands() d
      JOIN pg_class c ON c.oid = d.objid AND d.classid = 'pg_class'::regclass
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = '${TRUNCATE_TRIGGER}'
     WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname <> 'pgkeep' AND NOT d.in_extension
       AND CASE WHEN d.command_tag = 'ALTER TABLE' THEN t.tgenabled <> 'A'
                ELSE d.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO') AND t.oid IS NULL END
  LOOP
    -- Not its business in a copy, nor where the guard is switched off.
    IF NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = '${DDL_GUARD}' AND e.evtenabled <> 'D')
       OR NOT pgkeep_guard.is_production() THEN RETURN; END IF;
    BEGIN
      IF changed.is_new THEN
        EXECUTE format('CREATE TRIGGER ${TRUNCATE_TRIGGER} BEFORE TRUNCATE ON %I.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ${GUARD_SCHEMA}.on_truncate()',
                       changed.nspname, changed.relname);
      END IF;
      EXECUTE format('ALTER TABLE %I.%I ENABLE ALWAYS TRIGGER ${TRUNCATE_TRIGGER}', changed.nspname, changed.relname);
    EXCEPTION WHEN others THEN
      RAISE WARNING 'pgkeep: TRUNCATE of %.% will not be refused: %', changed.nspname, changed.relname, SQLERRM
        USING HINT = 'Run pgkeep install --ddl-guard.';
    END;
  END LOOP;
END
$$;`;

/** The event triggers, made anew: of somebody else's function under these names nothing is left. */
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
