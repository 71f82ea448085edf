import {
  ACTION_SETTING,
  ACTOR_SETTING,
  HINTS,
  POLICY_REFUSED,
  REASON_REQUIRED,
  REASON_SETTING,
  REFUSALS,
  ROW_HELD,
  UPDATED_SETTING,
} from './policy-texts.js';

/** A function in schema `pgkeep_policy`. */
export interface PolicyFunction {
  readonly name: string;
  /** Arguments and result, as SQL. */
  readonly signature: string;
  /**
   * Whether it runs with the rights of its owner, who owns the records, and therefore with its own search_path. The
   * others are called by those, and setting search_path takes longer than they do.
   */
  readonly asOwner: boolean;
  /** Whether it makes text of values, and therefore with its own settings: those of the session change the text. */
  readonly isSteady?: boolean;
  /** PL/pgSQL; ASCII only, because not every encoding has more. */
  readonly body: string;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** SQL expression: why the rule of a trigger refuses. */
const WHY = `CASE TG_ARGV[0] WHEN 'soft' THEN ${quoted(REFUSALS.soft)} WHEN 'append' THEN ${quoted(REFUSALS.append)}
         WHEN 'read' THEN ${quoted(REFUSALS.read)} ELSE ${quoted(REFUSALS.never)} END`;

/**
 * SQL expression: whether column `n` of the new row is changed. As text: some types call different values equal, such as
 * 1.0 and 1.00, or names that differ in capitals only.
 */
const IS_CHANGED = 'n.value::text IS DISTINCT FROM (before -> n.key)::text';

/** Statement: a generated column follows the others. */
const WITHOUT_GENERATED = `changed := ARRAY(SELECT c FROM unnest(changed) c WHERE NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attname = c AND a.attgenerated <> ''));`;

/** Returns the statements that record, pass or refuse an UPDATE that changes the columns `changed` of row `before`. */
function judgedUpdate(result: 'NULL' | 'OLD'): string {
  return `
  name := pgkeep_policy.name_of(TG_RELID);
  IF current_setting('${ACTION_SETTING}', true) <> '' THEN opened := pgkeep_policy.current_action(); END IF;
  IF opened.action IN ('anonymize', 'cleanup', 'replay') OR (TG_ARGV[0] = 'correct' AND NOT touches_immutable AND length(reason) <= 2000) THEN
    row_key := pgkeep_policy.key_of(TG_RELID, before, TG_ARGV[1]::text[]);
    IF TG_ARGV[2] <> '{}' THEN row_key := pgkeep_policy.ledger_key(name, row_key, TG_ARGV[2]::text[]); END IF;
    IF opened.action IN ('anonymize', 'cleanup', 'replay') THEN
      IF opened.action <> 'replay' AND pgkeep_policy.is_held(name, row_key) THEN
        RAISE EXCEPTION 'pgkeep: UPDATE of % is refused: ${REFUSALS.held}', name
          USING ERRCODE = '${ROW_HELD}', HINT = ${quoted(HINTS.held)};
      END IF;
      INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what) VALUES (opened.id, name, row_key, 'anonymized')
          ON CONFLICT DO NOTHING;
    ELSE
      INSERT INTO pgkeep.correction (table_name, key, columns, actor, reason)
      VALUES (name, row_key, changed, left(nullif(btrim(current_setting('${ACTOR_SETTING}', true)), ''), 200), reason);
    END IF;
    RETURN ${result};
  END IF;
  IF pgkeep_policy.passes() THEN RETURN ${result}; END IF;
  IF TG_ARGV[0] = 'correct' AND NOT touches_immutable THEN
    RAISE EXCEPTION 'pgkeep: UPDATE of % is refused: ${REFUSALS.reason}', name
      USING ERRCODE = '${REASON_REQUIRED}', HINT = ${quoted(HINTS.reason)};
  END IF;
  RAISE EXCEPTION 'pgkeep: UPDATE of % is refused: %', name, CASE WHEN touches_immutable THEN ${quoted(REFUSALS.immutable)} ELSE ${WHY} END
    USING ERRCODE = '${POLICY_REFUSED}', HINT = ${quoted(HINTS.change)};
`;
}

/** The functions of the triggers. Each raises its own errors, so that psql shows one line of context. */
export const TRIGGER_FUNCTIONS: readonly PolicyFunction[] = [
  {
    // Arguments: rule, key columns, those of them that are personal, the column that marks a row as deleted or ''.
    name: 'on_delete',
    signature: '() RETURNS trigger',
    asOwner: true,
    isSteady: true,
    body: `
DECLARE
  name text;
  opened pgkeep.privacy_action;
  row_key jsonb;
BEGIN
  IF TG_ARGV[0] = 'soft' THEN
    opened := pgkeep_policy.current_action();
    IF opened.action IN ('hard-delete', 'cleanup', 'replay') THEN
      name := pgkeep_policy.name_of(TG_RELID);
      row_key := pgkeep_policy.key_of(TG_RELID, to_jsonb(OLD), TG_ARGV[1]::text[]);
      IF TG_ARGV[2] <> '{}' THEN row_key := pgkeep_policy.ledger_key(name, row_key, TG_ARGV[2]::text[]); END IF;
      -- What was erased before a restore is erased again, whatever came after.
      IF opened.action <> 'replay' AND pgkeep_policy.is_held(name, row_key) THEN
        RAISE EXCEPTION 'pgkeep: % of % is refused: ${REFUSALS.held}', TG_OP, name
          USING ERRCODE = '${ROW_HELD}', HINT = ${quoted(HINTS.held)};
      END IF;
      INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what) VALUES (opened.id, name, row_key, 'deleted')
          ON CONFLICT DO NOTHING;
      RETURN OLD;
    END IF;
  END IF;
  IF pgkeep_policy.passes() THEN RETURN OLD; END IF;
  RAISE EXCEPTION 'pgkeep: % of % is refused: %', TG_OP, pgkeep_policy.name_of(TG_RELID), ${WHY}
    USING ERRCODE = '${POLICY_REFUSED}',
          HINT = CASE WHEN TG_ARGV[0] IN ('append', 'read') OR TG_ARGV[3] = '' THEN ${quoted(HINTS.change)} ELSE ${quoted(HINTS.delete)} END;
END
`,
  },
  {
    name: 'on_truncate',
    signature: '() RETURNS trigger',
    asOwner: true,
    body: `
BEGIN
  IF pgkeep_policy.passes() THEN RETURN NULL; END IF;
  RAISE EXCEPTION 'pgkeep: % of % is refused: %', TG_OP, pgkeep_policy.name_of(TG_RELID), ${WHY}
    USING ERRCODE = '${POLICY_REFUSED}', HINT = ${quoted(HINTS.change)};
END
`,
  },
  {
    // AFTER, because a BEFORE trigger of the application that sorts later could change the row again. Arguments: rule
    // (correct, append, read, or free with immutable columns), key columns, personal ones, columns that change without
    // a reason, columns that never change.
    name: 'on_update',
    signature: '() RETURNS trigger',
    asOwner: true,
    isSteady: true,
    body: `
DECLARE
  before CONSTANT jsonb := to_jsonb(OLD);
  reason CONSTANT text := nullif(btrim(current_setting('${REASON_SETTING}', true)), '');
  changed text[] := ARRAY(SELECT n.key FROM jsonb_each(to_jsonb(NEW)) n WHERE ${IS_CHANGED});
  touches_immutable CONSTANT boolean := changed && TG_ARGV[4]::text[];
  name text;
  opened pgkeep.privacy_action;
  row_key jsonb;
BEGIN
  IF NOT touches_immutable AND (TG_ARGV[0] = 'free' OR changed <@ TG_ARGV[3]::text[]) THEN RETURN NULL; END IF;
  ${WITHOUT_GENERATED}
  IF NOT touches_immutable AND changed <@ TG_ARGV[3]::text[] THEN RETURN NULL; END IF;${judgedUpdate('NULL')}END
`,
  },
  {
    // An UPDATE that moves a row to another partition fires no trigger AFTER UPDATE: it becomes a DELETE and an INSERT.
    // So the UPDATE is remembered, and judged when its row is deleted. Arguments as above.
    name: 'on_move',
    signature: '() RETURNS trigger',
    asOwner: true,
    isSteady: true,
    body: `
DECLARE
  row_id CONSTANT text := format('%s %s ', OLD.tableoid, OLD.ctid);
  updated CONSTANT text := current_setting('${UPDATED_SETTING}', true);
  before CONSTANT jsonb := to_jsonb(OLD);
  reason CONSTANT text := nullif(btrim(current_setting('${REASON_SETTING}', true)), '');
  changed text[];
  touches_immutable boolean;
  name text;
  opened pgkeep.privacy_action;
  row_key jsonb;
BEGIN
  IF TG_OP = 'UPDATE' THEN
    changed := ARRAY(SELECT n.key FROM jsonb_each(to_jsonb(NEW)) n WHERE ${IS_CHANGED});
    PERFORM set_config('${UPDATED_SETTING}', row_id || changed::text, true);
    RETURN NEW;
  END IF;
  IF NOT coalesce(updated ^@ row_id, false) THEN RETURN OLD; END IF;
  changed := substr(updated, length(row_id) + 1)::text[];
  ${WITHOUT_GENERATED}
  touches_immutable := changed && TG_ARGV[4]::text[];
  IF NOT touches_immutable AND (TG_ARGV[0] = 'free' OR changed <@ TG_ARGV[3]::text[]) THEN RETURN OLD; END IF;${judgedUpdate('OLD')}END
`,
  },
  {
    // AFTER, so that a seed that inserts nothing new (ON CONFLICT) passes.
    name: 'on_insert',
    signature: '() RETURNS trigger',
    asOwner: true,
    body: `
BEGIN
  IF pgkeep_policy.passes() THEN RETURN NULL; END IF;
  RAISE EXCEPTION 'pgkeep: % of % is refused: ${REFUSALS.sealed}', TG_OP, pgkeep_policy.name_of(TG_RELID)
    USING ERRCODE = '${POLICY_REFUSED}', HINT = ${quoted(HINTS.change)};
END
`,
  },
];
