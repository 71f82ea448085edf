import {
  ACTION_SETTING,
  ACTOR_SETTING,
  HINTS,
  POLICY_REFUSED,
  REASON_REQUIRED,
  REASON_SETTING,
  REFUSALS,
  ROW_HELD,
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
  /** PL/pgSQL; ASCII only, because not every encoding has more. */
  readonly body: string;
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/** SQL expression: why the rule of a trigger refuses. */
const WHY = `CASE TG_ARGV[0] WHEN 'soft' THEN ${quoted(REFUSALS.soft)} WHEN 'append' THEN ${quoted(REFUSALS.append)}
         WHEN 'read' THEN ${quoted(REFUSALS.read)} ELSE ${quoted(REFUSALS.never)} END`;

/** The functions of the triggers. Each raises its own errors, so that psql shows one line of context. */
export const TRIGGER_FUNCTIONS: readonly PolicyFunction[] = [
  {
    // Arguments: rule, key columns, those of them that are personal, the column that marks a row as deleted or ''.
    name: 'on_delete',
    signature: '() RETURNS trigger',
    asOwner: true,
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
    body: `
DECLARE
  before CONSTANT jsonb := to_jsonb(OLD);
  after CONSTANT jsonb := to_jsonb(NEW);
  reason CONSTANT text := nullif(btrim(current_setting('${REASON_SETTING}', true)), '');
  changed text[] := ARRAY(SELECT n.key FROM jsonb_each(after) n WHERE n.value IS DISTINCT FROM before -> n.key);
  touches_immutable CONSTANT boolean := changed && TG_ARGV[4]::text[];
  name text;
  opened pgkeep.privacy_action;
  row_key jsonb;
BEGIN
  IF NOT touches_immutable AND (TG_ARGV[0] = 'free' OR changed <@ TG_ARGV[3]::text[]) THEN RETURN NULL; END IF;
  -- A generated column follows the others.
  changed := ARRAY(SELECT c FROM unnest(changed) c WHERE NOT EXISTS (
    SELECT FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attname = c AND a.attgenerated <> ''));
  IF NOT touches_immutable AND changed <@ TG_ARGV[3]::text[] THEN RETURN NULL; END IF;
  name := pgkeep_policy.name_of(TG_RELID);
  IF current_setting('${ACTION_SETTING}', true) <> '' THEN opened := pgkeep_policy.current_action(); END IF;
  IF opened.action IN ('anonymize', 'cleanup', 'replay') OR (TG_ARGV[0] = 'correct' AND NOT touches_immutable AND length(reason) <= 2000) THEN
    row_key := pgkeep_policy.key_of(TG_RELID, before, TG_ARGV[1]::text[]);
    IF TG_ARGV[2] <> '{}' THEN row_key := pgkeep_policy.ledger_key(name, row_key, TG_ARGV[2]::text[]); END IF;
    IF opened.action IN ('anonymize', 'cleanup', 'replay') THEN
      IF opened.action <> 'replay' AND pgkeep_policy.is_held(name, row_key) THEN
        RAISE EXCEPTION 'pgkeep: % of % is refused: ${REFUSALS.held}', TG_OP, name
          USING ERRCODE = '${ROW_HELD}', HINT = ${quoted(HINTS.held)};
      END IF;
      INSERT INTO pgkeep.privacy_row (action_id, table_name, key, what) VALUES (opened.id, name, row_key, 'anonymized')
          ON CONFLICT DO NOTHING;
    ELSE
      INSERT INTO pgkeep.correction (table_name, key, columns, actor, reason)
      VALUES (name, row_key, changed, left(nullif(btrim(current_setting('${ACTOR_SETTING}', true)), ''), 200), reason);
    END IF;
    RETURN NULL;
  END IF;
  IF pgkeep_policy.passes() THEN RETURN NULL; END IF;
  IF TG_ARGV[0] = 'correct' AND NOT touches_immutable THEN
    RAISE EXCEPTION 'pgkeep: % of % is refused: ${REFUSALS.reason}', TG_OP, name
      USING ERRCODE = '${REASON_REQUIRED}', HINT = ${quoted(HINTS.reason)};
  END IF;
  RAISE EXCEPTION 'pgkeep: % of % is refused: %', TG_OP, name, CASE WHEN touches_immutable THEN ${quoted(REFUSALS.immutable)} ELSE ${WHY} END
    USING ERRCODE = '${POLICY_REFUSED}', HINT = ${quoted(HINTS.change)};
END
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
