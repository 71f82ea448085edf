import { createHash } from 'node:crypto';
import { IS_DDL_GUARD_LIFTED } from '../guard/ddl/ddl-guard-sql.js';
import { hashedValue, STEADY_SETTINGS } from './ledger-key-sql.js';
import { ACTION_SETTING, POLICY_REFUSED, POLICY_SCHEMA } from './policy-texts.js';
import { TRIGGER_FUNCTIONS, type PolicyFunction } from './trigger-functions.js';

/**
 * The functions. A trigger refuses or records, and never turns one command into another: a DELETE that became an UPDATE
 * would leave orphans behind a cascade.
 */
const FUNCTIONS: readonly PolicyFunction[] = [
  {
    // A recorded deploy, or what a publisher did.
    name: 'passes',
    signature: '() RETURNS boolean',
    asOwner: true,
    body: `
BEGIN
  IF ${IS_DDL_GUARD_LIFTED} THEN RETURN true; END IF;
  -- The worker of a subscription. pg_stat_activity hides the backend of a superuser from other roles; this does not.
  RETURN EXISTS (SELECT FROM pg_stat_get_subscription(NULL) s WHERE s.pid = pg_backend_pid());
END
`,
  },
  {
    name: 'open_action',
    signature: '(action text, actor text, reason text) RETURNS uuid',
    asOwner: true,
    body: `
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
`,
  },
  {
    // The action that was opened in this very transaction: the setting alone opens nothing. The time is compared as
    // well, because a restored database numbers its transactions from the start again.
    name: 'current_action',
    signature: '() RETURNS pgkeep.privacy_action',
    asOwner: true,
    body: `
DECLARE
  stated CONSTANT text := current_setting('${ACTION_SETTING}', true);
  opened pgkeep.privacy_action;
BEGIN
  IF stated IS NULL OR stated !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN RETURN NULL; END IF;
  SELECT a.* INTO opened FROM pgkeep.privacy_action a
   WHERE a.id = stated::uuid AND a.txid = pg_current_xact_id_if_assigned()::text::bigint
     AND a.opened_at >= transaction_timestamp();
  RETURN opened;
END
`,
  },
  {
    // The key of a row as the ledger holds it: a value that is personal itself as a salted hash.
    name: 'ledger_key',
    signature: '(table_name text, key jsonb, personal text[]) RETURNS jsonb',
    asOwner: true,
    body: `
BEGIN
  IF cardinality(personal) = 0 THEN RETURN key; END IF;
  RETURN (SELECT jsonb_object_agg(k.key, CASE WHEN k.key = ANY (personal) AND NOT (jsonb_typeof(k.value) = 'object' AND k.value ? 'sha256')
                                                THEN ${hashedValue('ledger_key.table_name', 'k.value', 's.salt')} ELSE k.value END)
            FROM jsonb_each(key) k, pgkeep.privacy_salt s);
END
`,
  },
  {
    // A value of a key as the ledger holds it, in a session of the application.
    name: 'key_value',
    signature: '(value anyelement) RETURNS jsonb',
    asOwner: false,
    isSteady: true,
    body: `
BEGIN
  RETURN pg_catalog.to_jsonb(value);
END
`,
  },
  {
    // The soft deletion that the newest mark of a row is from; NULL if it was marked or restored in another way.
    name: 'marked_by',
    signature: '(table_name text, key jsonb) RETURNS uuid',
    asOwner: true,
    body: `
BEGIN
  RETURN (SELECT CASE WHEN newest.what = 'marked' AND newest.action = 'soft-delete' THEN newest.id END
            FROM (SELECT r.what, a.action, a.id
                    FROM pgkeep.privacy_row r JOIN pgkeep.privacy_action a ON a.id = r.action_id
                   WHERE r.table_name = marked_by.table_name AND r.key = marked_by.key AND r.what IN ('marked', 'restored')
                   ORDER BY a.opened_at DESC, a.id LIMIT 1) newest);
END
`,
  },
  {
    // Whether a marked row is of a deletion (see marked_by). Where a table was renamed since, the ledger has its rows
    // under the earlier name: then the time of the marks decides alone.
    name: 'is_marked_by',
    signature: '(deletion uuid, table_name text, key jsonb) RETURNS boolean',
    asOwner: true,
    body: `
DECLARE
  own CONSTANT uuid := pgkeep_policy.marked_by(table_name, key);
BEGIN
  IF own IS NOT DISTINCT FROM deletion THEN RETURN true; END IF;
  IF own IS NOT NULL AND deletion IS NOT NULL THEN RETURN false; END IF;
  RETURN EXISTS (SELECT FROM pgkeep.privacy_row r WHERE r.action_id = coalesce(deletion, own) AND to_regclass(r.table_name) IS NULL);
END
`,
  },
  {
    // Whether a legal hold keeps a row; its key as the ledger has it.
    name: 'is_held',
    signature: '(table_name text, key jsonb) RETURNS boolean',
    asOwner: true,
    body: `
BEGIN
  RETURN EXISTS (SELECT FROM pgkeep.legal_hold h WHERE h.table_name = is_held.table_name AND h.key = is_held.key
                    AND (h.held_until IS NULL OR h.held_until >= CURRENT_DATE));
END
`,
  },
  {
    // One ledger line per key, for what no trigger sees: marks, restored marks, anonymized rows. A restore replays them,
    // so the role must have the right to change the rows itself.
    name: 'record_rows',
    signature: '(action uuid, table_name text, keys jsonb, what text) RETURNS void',
    asOwner: true,
    body: `
DECLARE
  opened CONSTANT pgkeep.privacy_action := pgkeep_policy.current_action();
BEGIN
  IF what NOT IN ('marked', 'restored', 'anonymized') OR opened.id IS DISTINCT FROM action THEN
    RAISE EXCEPTION 'pgkeep: recording rows of % is refused: no action was opened in this transaction', table_name
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Call ${POLICY_SCHEMA}.open_action(action, actor, reason) in the same transaction.';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(session_user, r.oid, 'MEMBER')
                    AND has_any_column_privilege(r.oid, to_regclass(record_rows.table_name), 'UPDATE')) THEN
    RAISE EXCEPTION 'pgkeep: recording rows of % is refused: role "%" may not update them', table_name, session_user
      USING ERRCODE = 'insufficient_privilege';
  END IF;
  INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what)
  SELECT record_rows.action, record_rows.table_name,
         pgkeep_policy.ledger_key(record_rows.table_name, k, ARRAY(
           SELECT jsonb_array_elements_text(p.rule -> 'personalKey') FROM pgkeep.table_policy p
            WHERE format('%I.%I', p.schema_name, p.table_name) = record_rows.table_name)), record_rows.what
    FROM jsonb_array_elements(keys) k
      ON CONFLICT DO NOTHING;
END
`,
  },
  {
    // Removes the reasons of earlier actions and corrections from the rows that this action erased: they may say
    // something about the person. An action on other rows as well keeps its lines, without its reason.
    name: 'forget_reasons',
    signature: '(action uuid) RETURNS void',
    asOwner: true,
    body: `
DECLARE
  opened CONSTANT pgkeep.privacy_action := pgkeep_policy.current_action();
BEGIN
  IF opened.id IS DISTINCT FROM action OR opened.action NOT IN ('hard-delete', 'cleanup', 'anonymize', 'replay') THEN
    RAISE EXCEPTION 'pgkeep: removing reasons is refused: no erasure was opened in this transaction'
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Call ${POLICY_SCHEMA}.open_action(action, actor, reason) in the same transaction.';
  END IF;
  UPDATE pgkeep.correction c SET reason = NULL
    FROM pgkeep.privacy_row r
   WHERE r.action_id = opened.id AND c.table_name = r.table_name AND c.key = r.key AND c.reason IS NOT NULL;
  UPDATE pgkeep.privacy_action a SET reason = NULL
   WHERE a.reason IS NOT NULL AND a.id <> opened.id
     AND a.action NOT IN ('cleanup', 'replay')
     AND a.id IN (SELECT earlier.action_id FROM pgkeep.privacy_row r
                    JOIN pgkeep.privacy_row earlier ON earlier.table_name = r.table_name AND earlier.key = r.key
                   WHERE r.action_id = opened.id);
END
`,
  },
  {
    // The name of the table that has the rule: of a partition, that of the partitioned table.
    name: 'name_of',
    signature: '(relation oid) RETURNS text',
    asOwner: false,
    body: `
BEGIN
  RETURN (SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.oid = coalesce(pg_catalog.pg_partition_root(relation::pg_catalog.regclass)::oid, relation));
END
`,
  },
  {
    name: 'key_of',
    signature: '(relation oid, row_values jsonb, columns text[]) RETURNS jsonb',
    asOwner: false,
    body: `
BEGIN
  IF NOT row_values ?& columns THEN
    RAISE EXCEPTION 'pgkeep: the key of % changed since its rules were applied', pgkeep_policy.name_of(relation)
      USING ERRCODE = '${POLICY_REFUSED}', HINT = 'Run pgkeep policy apply.';
  END IF;
  RETURN (SELECT pg_catalog.jsonb_object_agg(c, row_values -> c) FROM pg_catalog.unnest(columns) c);
END
`,
  },
  ...TRIGGER_FUNCTIONS,
];

/** Returns the settings that a function runs with, as its SET clauses have them. */
function settingsOf({ asOwner, isSteady = false }: PolicyFunction): string[] {
  return [
    ...(asOwner ? ['search_path = pg_catalog, pg_temp'] : []),
    ...(isSteady ? Object.entries(STEADY_SETTINGS).map(([name, value]) => `${name} = '${value}'`) : []),
  ];
}

/** Returns a setting as the catalogue has it, but for the capitals of its name. */
function storedSetting(setting: string): string {
  return setting.replace(' = ', '=').replaceAll("'", '').toLowerCase();
}

/** Identifies the functions' texts: equal in JavaScript and in the catalogue, whichever version applied them. */
const FUNCTIONS_DIGEST = createHash('sha256')
  .update(
    FUNCTIONS.toSorted((left, right) => (left.name < right.name ? -1 : 1))
      .map((one) =>
        [one.name, String(one.asOwner), settingsOf(one).map(storedSetting).join(','), one.body]
          .filter((part) => part !== '')
          .join(' '),
      )
      .join('\n'),
  )
  .digest('hex');

/**
 * SQL expression: the same digest of the functions in the database; NULL if there are none. By name, which the catalogue
 * has an index on, and which leaves out those of an earlier version.
 */
export const INSTALLED_DIGEST = `(
  SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(
           pg_catalog.concat_ws(' ', p.proname, p.prosecdef::text, pg_catalog.lower(pg_catalog.array_to_string(p.proconfig, ',')), p.prosrc),
           E'\\n' ORDER BY p.proname COLLATE "C"), 'UTF8')), 'hex')
    FROM pg_catalog.pg_proc p
   WHERE p.pronamespace = pg_catalog.to_regnamespace('${POLICY_SCHEMA}')
     AND p.proname = ANY ('{${FUNCTIONS.map(({ name }) => name).join(',')}}'))`;

/** The version of the functions, as the comment of their schema: it distinguishes another version from a change by hand. */
export const FUNCTIONS_VERSION = `pgkeep policy ${FUNCTIONS_DIGEST.slice(0, 12)}`;

/** Whether functions with this digest (see {@link INSTALLED_DIGEST}) are those of this version. */
export function areCurrent(digest: string | null): boolean {
  return digest === FUNCTIONS_DIGEST;
}

/** Returns the statements that install the functions, or replace those of another version. Pure. */
export function installFunctions(): string[] {
  return [
    `CREATE SCHEMA IF NOT EXISTS ${POLICY_SCHEMA};`,
    ...FUNCTIONS.map((one) => {
      const rights = one.asOwner ? ' SECURITY DEFINER' : '';
      const settings = settingsOf(one).map((setting) => ` SET ${setting}`);
      return `CREATE OR REPLACE FUNCTION ${POLICY_SCHEMA}.${one.name}${one.signature}
LANGUAGE plpgsql${rights}${settings.join('')} AS $$${one.body}$$;`;
    }),
    `GRANT USAGE ON SCHEMA ${POLICY_SCHEMA} TO PUBLIC;`,
    `COMMENT ON SCHEMA ${POLICY_SCHEMA} IS '${FUNCTIONS_VERSION}';`,
  ];
}
