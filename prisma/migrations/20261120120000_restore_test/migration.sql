-- CreateTable
CREATE TABLE "pgkeep"."restore_test" (
    "id" BIGINT NOT NULL,
    "backup" TEXT NOT NULL,
    "environment" TEXT NOT NULL,
    "verdict" TEXT NOT NULL,
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "finished_at" TIMESTAMPTZ(3) NOT NULL,
    "duration_ms" BIGINT NOT NULL,
    "archive_sha256" TEXT NOT NULL,
    "evidence" JSONB NOT NULL,
    "previous_hash" TEXT NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "restore_test_pkey" PRIMARY KEY ("id"),
    -- Prisma has no CHECK.
    CONSTRAINT "restore_test_verdict_known" CHECK ("verdict" IN ('passed', 'failed')),
    CONSTRAINT "restore_test_hash_is_sha256" CHECK ("hash" ~ '^[0-9a-f]{64}$')
);

-- CreateIndex
CREATE INDEX "restore_test_environment_verdict_finished_at_idx" ON "pgkeep"."restore_test"("environment", "verdict", "finished_at");

-- A writer gives the evidence and its hash; every other column is taken out of the evidence, so that none can say
-- something else. The evidence names the hash of the evidence before it: what does not continue the chain is refused.
-- The hash is the sha256 of the evidence as JSON with sorted keys and no blanks; the README says how to recompute it.
CREATE FUNCTION "pgkeep"."restore_test_chain"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  last_id bigint;
  last_hash text;
BEGIN
  -- Writers queue, each until the one before has committed.
  PERFORM pg_advisory_xact_lock(hashtext('pgkeep restore_test'));
  SELECT id, hash INTO last_id, last_hash FROM pgkeep.restore_test ORDER BY id DESC LIMIT 1;
  NEW.id := coalesce(last_id, 0) + 1;
  NEW.backup := NEW.evidence->>'backup';
  NEW.environment := NEW.evidence->>'environment';
  NEW.verdict := NEW.evidence->>'verdict';
  NEW.started_at := (NEW.evidence->>'startedAt')::timestamptz;
  NEW.finished_at := (NEW.evidence->>'finishedAt')::timestamptz;
  NEW.duration_ms := (NEW.evidence->>'durationMs')::bigint;
  NEW.archive_sha256 := NEW.evidence->'archive'->>'sha256';
  NEW.previous_hash := NEW.evidence->>'previousHash';
  IF NEW.previous_hash IS DISTINCT FROM coalesce(last_hash, repeat('0', 64)) THEN
    RAISE EXCEPTION 'pgkeep.restore_test: the evidence does not continue the chain at number %', coalesce(last_id, 0)
      USING ERRCODE = 'PK002', HINT = 'previousHash must be the hash of the newest evidence here.';
  END IF;
  RETURN NEW;
END
$$;

CREATE FUNCTION "pgkeep"."restore_test_refuse"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep.restore_test is append-only: % is refused', TG_OP
    USING ERRCODE = 'PK001', HINT = 'Evidence stays. A new restore test adds new evidence.';
END
$$;

-- By row, because an UPDATE that arrives through a parent table fires no statement's trigger here.
CREATE TRIGGER "restore_test_chain" BEFORE INSERT ON "pgkeep"."restore_test"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."restore_test_chain"();
CREATE TRIGGER "restore_test_keep" BEFORE UPDATE OR DELETE ON "pgkeep"."restore_test"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."restore_test_refuse"();
CREATE TRIGGER "restore_test_keep_all" BEFORE TRUNCATE ON "pgkeep"."restore_test"
    FOR EACH STATEMENT EXECUTE FUNCTION "pgkeep"."restore_test_refuse"();

-- Always: session_replication_role = replica must not open a side door.
ALTER TABLE "pgkeep"."restore_test" ENABLE ALWAYS TRIGGER "restore_test_chain";
ALTER TABLE "pgkeep"."restore_test" ENABLE ALWAYS TRIGGER "restore_test_keep";
ALTER TABLE "pgkeep"."restore_test" ENABLE ALWAYS TRIGGER "restore_test_keep_all";

-- Evidence is no secret: names, numbers and hashes. The readiness check's role and an auditor's need no grant;
-- to write is the owner's, and that of roles that are given INSERT.
GRANT SELECT ON "pgkeep"."restore_test" TO PUBLIC;
