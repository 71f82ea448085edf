import { createHash } from 'node:crypto';
import { IS_DDL_GUARD_LIFTED } from '../guard/ddl/ddl-guard-sql.js';
import {
  ACTION_SETTING,
  ACTOR_SETTING,
  HINTS,
  POLICY_REFUSED,
  POLICY_SCHEMA,
  REASON_REQUIRED,
  REASON_SETTING,
  REFUSALS,
  ROW_HELD,
} from './policy-texts.js';

const FUNCTION = `LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp`;

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * The functions; each replaces an older one. A trigger refuses or records, and never turns one command into another: a
 * DELETE that became an UPDATE would leave orphans behind a cascade.
 */
export const POLICY_FUNCTIONS = `
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.passes() RETURNS boolean ${FUNCTION} AS $$
BEGIN
  -- A recorded deploy, or what a publisher did.
  IF ${IS_DDL_GUARD_LIFTED} THEN RETURN true; END IF;
  RETURN coalesce((SELECT a.backend_type LIKE 'logical replication%' FROM pg_stat_activity a
                    WHERE a.pid = pg_backend_pid()), false);
END
$$;

CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.open_action(action text, actor text, reason text) RETURNS uuid ${FUNCTION} AS $$
DECLARE
  opened uuid;
BEGIN
  IF length(actor) > 200 OR length(reason) > 2000 THEN
    RAISE EXCEPTION 'pgkeep: % is refused: who did it may have 200 characters, and the reason 2000', action
      USING ERRCODE = 'string_data_right_truncation';
  END IF;
  INSERT INTO pgkeep.privacy_action AS a (action, actor, reason)
  VALUES (open_action.action, nullif(btrim(open_action.actor), ''), nullif(btrim(open_action.reason), ''))
  RETURNING a.id INTO opened;
  PERFORM set_config('${ACTION_SETTING}', opened::text, true);
  RETURN opened;
END
$$;

-- The action that was opened in this very transaction: the setting alone opens nothing. The time is compared as well,
-- because a restored database numbers its transactions from the start again.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.current_action() RETURNS pgkeep.privacy_action ${FUNCTION} AS $$
DECLARE
  stated CONSTANT text := current_setting('${ACTION_SETTING}', true);
  found pgkeep.privacy_action;
BEGIN
  IF stated IS NULL OR stated !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN RETURN NULL; END IF;
  SELECT a.* INTO found FROM pgkeep.privacy_action a
   WHERE a.id = stated::uuid AND a.txid = pg_current_xact_id_if_assigned()::text::bigint
     AND a.opened_at >= transaction_timestamp();
  RETURN found;
END
$$;

-- The key of a row as the ledger holds it: a value that is personal itself as a salted hash.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.ledger_key(table_name text, key jsonb, personal text[]) RETURNS jsonb ${FUNCTION} AS $$
BEGIN
  IF cardinality(personal) = 0 THEN RETURN key; END IF;
  RETURN (SELECT jsonb_object_agg(k.key, CASE WHEN k.key = ANY (personal) THEN jsonb_build_object('sha256',
            encode(sha256(s.salt || convert_to(ledger_key.table_name || k.value::text, 'UTF8')), 'hex')) ELSE k.value END)
            FROM jsonb_each(key) k, pgkeep.privacy_salt s);
END
$$;

-- One ledger line per key, for what no trigger sees: marks, restored marks, anonymized rows.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.record_rows(action uuid, table_name text, keys jsonb, what text) RETURNS void ${FUNCTION} AS $$
DECLARE
  current CONSTANT pgkeep.privacy_action := pgkeep_policy.current_action();
BEGIN
  IF what NOT IN ('marked', 'restored', 'anonymized') OR current.id IS DISTINCT FROM action THEN
    RAISE EXCEPTION 'pgkeep: recording rows of % is refused: no action was opened in this transaction', table_name
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Call ${POLICY_SCHEMA}.open_action(action, actor, reason) in the same transaction.';
  END IF;
  INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what)
  SELECT record_rows.action, record_rows.table_name, k, record_rows.what FROM jsonb_array_elements(keys) k
      ON CONFLICT DO NOTHING;
END
$$;

-- Whether a legal hold keeps a row; its key as the ledger has it.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.is_held(table_name text, key jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN EXISTS (SELECT FROM pgkeep.legal_hold h WHERE h.table_name = is_held.table_name AND h.key = is_held.key
                    AND (h.held_until IS NULL OR h.held_until >= CURRENT_DATE));
END
$$;

-- Removes the reasons of earlier actions and corrections from the rows that this action erased: they may say something
-- about the person. An action on other rows as well keeps its lines, without its reason.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.forget_reasons(action uuid) RETURNS void ${FUNCTION} AS $$
DECLARE
  current CONSTANT pgkeep.privacy_action := pgkeep_policy.current_action();
BEGIN
  IF current.id IS DISTINCT FROM action OR current.action NOT IN ('hard-delete', 'cleanup', 'anonymize', 'replay') THEN
    RAISE EXCEPTION 'pgkeep: removing reasons is refused: no erasure was opened in this transaction'
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Call ${POLICY_SCHEMA}.open_action(action, actor, reason) in the same transaction.';
  END IF;
  UPDATE pgkeep.correction c SET reason = NULL
    FROM pgkeep.privacy_row r
   WHERE r.action_id = current.id AND c.table_name = r.table_name AND c.key = r.key AND c.reason IS NOT NULL;
  UPDATE pgkeep.privacy_action a SET reason = NULL
   WHERE a.reason IS NOT NULL AND a.id <> current.id
     AND a.action NOT IN ('cleanup', 'replay')
     AND a.id IN (SELECT earlier.action_id FROM pgkeep.privacy_row r
                    JOIN pgkeep.privacy_row earlier ON earlier.table_name = r.table_name AND earlier.key = r.key
                   WHERE r.action_id = current.id);
END
$$;

CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.refuse(operation text, table_name text, why text, hint text, code text) RETURNS void ${FUNCTION} AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep: % of % is refused: %', operation, table_name, why USING ERRCODE = code, HINT = hint;
END
$$;

-- The name of the table that has the rule: of a partition, that of the partitioned table.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.name_of(relation oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS
$$ SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = coalesce(pg_partition_root(relation::regclass)::oid, relation) $$;

CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.key_of(relation oid, row_values jsonb, columns text[]) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT row_values ?& columns THEN
    RAISE EXCEPTION 'pgkeep: the key of % changed since its rules were applied', pgkeep_policy.name_of(relation)
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Run pgkeep policy apply.';
  END IF;
  RETURN (SELECT jsonb_object_agg(c, row_values -> c) FROM unnest(columns) c);
END
$$;

-- Arguments: rule, key columns, those of them that are personal.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.on_delete() RETURNS trigger ${FUNCTION} AS $$
DECLARE
  name text;
  current pgkeep.privacy_action;
  row_key jsonb;
BEGIN
  IF TG_ARGV[0] = 'soft' THEN
    current := pgkeep_policy.current_action();
    IF current.action IN ('hard-delete', 'cleanup', 'replay') THEN
      name := pgkeep_policy.name_of(TG_RELID);
      row_key := pgkeep_policy.ledger_key(name, pgkeep_policy.key_of(TG_RELID, to_jsonb(OLD), TG_ARGV[1]::text[]), TG_ARGV[2]::text[]);
      -- What was erased before a restore is erased again, whatever came after.
      IF current.action <> 'replay' AND EXISTS (
           SELECT FROM pgkeep.legal_hold h WHERE h.table_name = name AND h.key = row_key
              AND (h.held_until IS NULL OR h.held_until >= CURRENT_DATE)) THEN
        PERFORM pgkeep_policy.refuse(TG_OP, name, ${quoted(REFUSALS.held)}, ${quoted(HINTS.held)}, '${ROW_HELD}');
      END IF;
      INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what) VALUES (current.id, name, row_key, 'deleted')
          ON CONFLICT DO NOTHING;
      RETURN OLD;
    END IF;
  END IF;
  IF pgkeep_policy.passes() THEN RETURN OLD; END IF;
  PERFORM pgkeep_policy.refuse(TG_OP, pgkeep_policy.name_of(TG_RELID),
    CASE TG_ARGV[0] WHEN 'soft' THEN ${quoted(REFUSALS.soft)} WHEN 'append' THEN ${quoted(REFUSALS.append)}
                    WHEN 'read' THEN ${quoted(REFUSALS.read)} ELSE ${quoted(REFUSALS.never)} END,
    CASE WHEN TG_ARGV[0] IN ('append', 'read') THEN ${quoted(HINTS.change)} ELSE ${quoted(HINTS.delete)} END, '${POLICY_REFUSED}');
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.on_truncate() RETURNS trigger ${FUNCTION} AS $$
BEGIN
  IF NOT pgkeep_policy.passes() THEN
    PERFORM pgkeep_policy.refuse(TG_OP, pgkeep_policy.name_of(TG_RELID),
      CASE TG_ARGV[0] WHEN 'soft' THEN ${quoted(REFUSALS.soft)} WHEN 'append' THEN ${quoted(REFUSALS.append)}
                      WHEN 'read' THEN ${quoted(REFUSALS.read)} ELSE ${quoted(REFUSALS.never)} END,
      ${quoted(HINTS.change)}, '${POLICY_REFUSED}');
  END IF;
  RETURN NULL;
END
$$;

-- AFTER, because a BEFORE trigger of the application that sorts later could change the row again. Arguments: rule
-- (correct, append, read, or free with immutable columns), key columns, personal ones, columns that change without a
-- reason, columns that never change.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.on_update() RETURNS trigger ${FUNCTION} AS $$
DECLARE
  before CONSTANT jsonb := to_jsonb(OLD);
  after CONSTANT jsonb := to_jsonb(NEW);
  changed CONSTANT text[] := ARRAY(SELECT n.key FROM jsonb_each(after) n WHERE n.value IS DISTINCT FROM before -> n.key);
  reason CONSTANT text := nullif(btrim(current_setting('${REASON_SETTING}', true)), '');
  name text;
BEGIN
  IF NOT changed && TG_ARGV[4]::text[] AND (TG_ARGV[0] = 'free' OR changed <@ TG_ARGV[3]::text[]) THEN RETURN NULL; END IF;
  name := pgkeep_policy.name_of(TG_RELID);
  -- Personal values are replaced by an anonymization, which records its rows itself.
  IF (pgkeep_policy.current_action()).action IN ('anonymize', 'cleanup', 'replay') OR pgkeep_policy.passes() THEN RETURN NULL; END IF;
  IF changed && TG_ARGV[4]::text[] THEN
    PERFORM pgkeep_policy.refuse(TG_OP, name, ${quoted(REFUSALS.immutable)}, ${quoted(HINTS.change)}, '${POLICY_REFUSED}');
  END IF;
  IF TG_ARGV[0] <> 'correct' THEN
    PERFORM pgkeep_policy.refuse(TG_OP, name, CASE TG_ARGV[0] WHEN 'append' THEN ${quoted(REFUSALS.append)} ELSE ${quoted(REFUSALS.read)} END,
      ${quoted(HINTS.change)}, '${POLICY_REFUSED}');
  END IF;
  IF reason IS NULL OR length(reason) > 2000 THEN
    PERFORM pgkeep_policy.refuse(TG_OP, name, ${quoted(REFUSALS.reason)}, ${quoted(HINTS.reason)}, '${REASON_REQUIRED}');
  END IF;
  INSERT INTO pgkeep.correction (table_name, key, columns, actor, reason)
  VALUES (name, pgkeep_policy.ledger_key(name, pgkeep_policy.key_of(TG_RELID, before, TG_ARGV[1]::text[]), TG_ARGV[2]::text[]),
          changed, left(nullif(btrim(current_setting('${ACTOR_SETTING}', true)), ''), 200), reason);
  RETURN NULL;
END
$$;

-- AFTER, so that a seed that inserts nothing new (ON CONFLICT) passes.
CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.on_insert() RETURNS trigger ${FUNCTION} AS $$
BEGIN
  IF NOT pgkeep_policy.passes() THEN
    PERFORM pgkeep_policy.refuse(TG_OP, pgkeep_policy.name_of(TG_RELID), ${quoted(REFUSALS.sealed)}, ${quoted(HINTS.change)}, '${POLICY_REFUSED}');
  END IF;
  RETURN NULL;
END
$$;

GRANT USAGE ON SCHEMA ${POLICY_SCHEMA} TO PUBLIC;`;

/** The version of the functions: kept as the comment of the schema, so that an upgrade is noticed. */
export const FUNCTIONS_VERSION = `pgkeep’s policy ${createHash('sha256').update(POLICY_FUNCTIONS).digest('hex').slice(0, 12)}`;
