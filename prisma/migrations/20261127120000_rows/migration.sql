-- What pgkeep records about rows: the rules in force, every row that was erased, every correction, every legal hold.
-- The ledger (privacy_action, privacy_row) holds names of tables and keys of rows, never their values. Its numbers are
-- UUIDs: a restore sets a sequence back, and a number must not stand for two actions.

-- CreateTable
CREATE TABLE "pgkeep"."table_policy" (
    "schema_name" TEXT NOT NULL,
    "table_name" TEXT NOT NULL,
    "model" TEXT NOT NULL,
    "rule" JSONB NOT NULL,
    "sealed_at" TIMESTAMPTZ(3),
    "applied_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "applied_by" TEXT NOT NULL DEFAULT session_user,

    CONSTRAINT "table_policy_pkey" PRIMARY KEY ("schema_name", "table_name"),
    -- Prisma has no CHECK.
    CONSTRAINT "table_policy_rule_is_an_object" CHECK (jsonb_typeof("rule") = 'object')
);

-- CreateTable
CREATE TABLE "pgkeep"."privacy_action" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "opened_at" TIMESTAMPTZ(6) NOT NULL DEFAULT clock_timestamp(),
    "txid" BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    "action" TEXT NOT NULL,
    "actor" TEXT,
    "reason" TEXT,
    "role" TEXT NOT NULL DEFAULT session_user,
    "shipped_at" TIMESTAMPTZ(3),

    CONSTRAINT "privacy_action_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "privacy_action_action_is_a_name" CHECK ("action" ~ '^[a-z]+(-[a-z]+)*$')
);

-- CreateTable
CREATE TABLE "pgkeep"."privacy_row" (
    "action_id" UUID NOT NULL,
    "table_name" TEXT NOT NULL,
    "key" JSONB NOT NULL,
    "what" TEXT NOT NULL,

    CONSTRAINT "privacy_row_pkey" PRIMARY KEY ("action_id", "table_name", "key", "what"),
    CONSTRAINT "privacy_row_what_known" CHECK ("what" IN ('marked', 'restored', 'deleted', 'anonymized')),
    CONSTRAINT "privacy_row_key_is_an_object" CHECK (jsonb_typeof("key") = 'object')
);

-- CreateTable
CREATE TABLE "pgkeep"."correction" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "corrected_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "table_name" TEXT NOT NULL,
    "key" JSONB NOT NULL,
    "columns" TEXT[] NOT NULL,
    "actor" TEXT,
    "reason" TEXT,
    "role" TEXT NOT NULL DEFAULT session_user,

    CONSTRAINT "correction_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "pgkeep"."legal_hold" (
    "table_name" TEXT NOT NULL,
    "key" JSONB NOT NULL,
    "because" TEXT NOT NULL,
    "held_until" DATE,
    "held_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "held_by" TEXT NOT NULL,

    CONSTRAINT "legal_hold_pkey" PRIMARY KEY ("table_name", "key")
);

-- CreateTable
CREATE TABLE "pgkeep"."privacy_salt" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "salt" BYTEA NOT NULL,

    CONSTRAINT "privacy_salt_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "privacy_salt_is_one_row" CHECK ("id" = 1)
);

-- CreateIndex
CREATE INDEX "privacy_action_shipped_at_idx" ON "pgkeep"."privacy_action"("shipped_at");

-- CreateIndex
CREATE INDEX "privacy_row_table_name_key_idx" ON "pgkeep"."privacy_row"("table_name", "key");

-- CreateIndex
CREATE INDEX "correction_table_name_key_idx" ON "pgkeep"."correction"("table_name", "key");

-- AddForeignKey
ALTER TABLE "pgkeep"."privacy_row" ADD CONSTRAINT "privacy_row_action_id_fkey" FOREIGN KEY ("action_id") REFERENCES "pgkeep"."privacy_action"("id") ON DELETE RESTRICT ON UPDATE RESTRICT;

-- 32 random bytes of two UUIDs (244 random bits), with built-in functions only.
INSERT INTO "pgkeep"."privacy_salt" ("salt")
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- The ledger and the corrections are append-only, but for two things: when an action was copied beside the backups,
-- and a reason that becomes NULL because the person it is about was erased.
CREATE FUNCTION "pgkeep"."privacy_refuse"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE'
     AND to_jsonb(OLD) - '{reason,shipped_at}'::text[] = to_jsonb(NEW) - '{reason,shipped_at}'::text[]
     AND (NEW.reason IS NULL OR NEW.reason IS NOT DISTINCT FROM OLD.reason) THEN RETURN NEW; END IF;
  RAISE EXCEPTION 'pgkeep.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'PK001', HINT = 'What was recorded stays. Only a reason can be removed, when the person it concerns is erased.';
END
$$;

CREATE FUNCTION "pgkeep"."privacy_row_refuse"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep.% is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'PK001', HINT = 'What was recorded stays: a restore of an older backup erases these rows again.';
END
$$;

CREATE TRIGGER "privacy_action_keep" BEFORE UPDATE OR DELETE ON "pgkeep"."privacy_action"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."privacy_refuse"();
CREATE TRIGGER "privacy_action_keep_all" BEFORE TRUNCATE ON "pgkeep"."privacy_action"
    FOR EACH STATEMENT EXECUTE FUNCTION "pgkeep"."privacy_row_refuse"();
CREATE TRIGGER "correction_keep" BEFORE UPDATE OR DELETE ON "pgkeep"."correction"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."privacy_refuse"();
CREATE TRIGGER "correction_keep_all" BEFORE TRUNCATE ON "pgkeep"."correction"
    FOR EACH STATEMENT EXECUTE FUNCTION "pgkeep"."privacy_row_refuse"();
CREATE TRIGGER "privacy_row_keep" BEFORE UPDATE OR DELETE ON "pgkeep"."privacy_row"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."privacy_row_refuse"();
CREATE TRIGGER "privacy_row_keep_all" BEFORE TRUNCATE ON "pgkeep"."privacy_row"
    FOR EACH STATEMENT EXECUTE FUNCTION "pgkeep"."privacy_row_refuse"();

-- Always: session_replication_role = replica must not open a side door.
ALTER TABLE "pgkeep"."privacy_action" ENABLE ALWAYS TRIGGER "privacy_action_keep";
ALTER TABLE "pgkeep"."privacy_action" ENABLE ALWAYS TRIGGER "privacy_action_keep_all";
ALTER TABLE "pgkeep"."correction" ENABLE ALWAYS TRIGGER "correction_keep";
ALTER TABLE "pgkeep"."correction" ENABLE ALWAYS TRIGGER "correction_keep_all";
ALTER TABLE "pgkeep"."privacy_row" ENABLE ALWAYS TRIGGER "privacy_row_keep";
ALTER TABLE "pgkeep"."privacy_row" ENABLE ALWAYS TRIGGER "privacy_row_keep_all";

-- Which rules are applied is no secret, and /ready asks for it with the least role. The rest is the owner's alone.
GRANT SELECT ON "pgkeep"."table_policy" TO PUBLIC;
