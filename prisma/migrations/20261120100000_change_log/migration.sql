-- CreateTable
CREATE TABLE "pgkeep"."change_log" (
    "seq" BIGINT NOT NULL,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL,
    "deed" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "details" JSONB NOT NULL DEFAULT '{}',
    "role" TEXT NOT NULL,
    "actor" TEXT NOT NULL,
    "previous_hash" TEXT NOT NULL,
    "hash" TEXT NOT NULL,

    CONSTRAINT "change_log_pkey" PRIMARY KEY ("seq"),
    -- Prisma has no CHECK. The shape of a deed's name and not a list: a new deed must need no migration.
    CONSTRAINT "change_log_deed_is_a_name" CHECK ("deed" ~ '^[a-z]+(-[a-z]+)*$'),
    CONSTRAINT "change_log_details_is_an_object" CHECK (jsonb_typeof("details") = 'object')
);

-- Numbers, dates and hashes every entry, whoever writes it: a writer gives deed, subject, details and actor.
-- The lock makes writers queue until the one before has committed, so that numbers have no gaps and every entry
-- knows its predecessor. It belongs to the transaction: one of the session would outlive it behind a pooler.
-- In REPEATABLE READ the predecessor may be out of sight; then the primary key refuses the second of two.
--
-- The hash is the sha256 of an array of the other columns, as jsonb prints it (one spelling for one value) in
-- UTF-8, with built-in functions only: the README has the query that recomputes it in psql.
CREATE FUNCTION "pgkeep"."change_log_chain"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  -- An entry that comes with its hash is carried over from the database that a restore replaced.
  is_carried_over CONSTANT boolean := NEW.hash IS NOT NULL;
  last_seq bigint;
  last_hash text;
  expected_hash text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('pgkeep change_log'));
  SELECT seq, hash INTO last_seq, last_hash FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1;
  last_seq := coalesce(last_seq, 0);
  last_hash := coalesce(last_hash, repeat('0', 64));
  IF NOT is_carried_over THEN
    NEW.seq := last_seq + 1;
    NEW.recorded_at := date_trunc('milliseconds', clock_timestamp());
    -- Who logged in: SET ROLE does not change it.
    NEW.role := session_user;
    NEW.previous_hash := last_hash;
  END IF;
  expected_hash := encode(sha256(convert_to(jsonb_build_array(
    NEW.seq, to_char(NEW.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
    NEW.deed, NEW.subject, NEW.details, NEW.role, NEW.actor, NEW.previous_hash)::text, 'UTF8')), 'hex');
  IF NOT is_carried_over THEN
    NEW.hash := expected_hash;
    RETURN NEW;
  END IF;
  -- It brings its own time and role. Only the owner may do that, who could switch this trigger off as well.
  IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
    RAISE EXCEPTION 'pgkeep.change_log: only its owner may carry entries over'
      USING ERRCODE = 'PK002', HINT = 'Leave out hash: the database numbers, dates and hashes a new entry.';
  END IF;
  IF (NEW.seq, NEW.previous_hash, NEW.hash) IS DISTINCT FROM (last_seq + 1, last_hash, expected_hash) THEN
    RAISE EXCEPTION 'pgkeep.change_log: entry % does not continue the chain at entry %', NEW.seq, last_seq
      USING ERRCODE = 'PK002', HINT = 'Carry entries over unchanged, in order, from the entry after the last one here.';
  END IF;
  RETURN NEW;
END
$$;

CREATE FUNCTION "pgkeep"."change_log_refuse"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'pgkeep.change_log is append-only: % is refused', TG_OP
    USING ERRCODE = 'PK001', HINT = 'What was recorded stays. To correct an entry, record another one.';
END
$$;

-- By row, because an UPDATE that arrives through a parent table fires no statement's trigger here.
CREATE TRIGGER "change_log_chain" BEFORE INSERT ON "pgkeep"."change_log"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."change_log_chain"();
CREATE TRIGGER "change_log_keep" BEFORE UPDATE OR DELETE ON "pgkeep"."change_log"
    FOR EACH ROW EXECUTE FUNCTION "pgkeep"."change_log_refuse"();
CREATE TRIGGER "change_log_keep_all" BEFORE TRUNCATE ON "pgkeep"."change_log"
    FOR EACH STATEMENT EXECUTE FUNCTION "pgkeep"."change_log_refuse"();

-- Always: session_replication_role = replica must not open a side door.
ALTER TABLE "pgkeep"."change_log" ENABLE ALWAYS TRIGGER "change_log_chain";
ALTER TABLE "pgkeep"."change_log" ENABLE ALWAYS TRIGGER "change_log_keep";
ALTER TABLE "pgkeep"."change_log" ENABLE ALWAYS TRIGGER "change_log_keep_all";

-- The record is no secret: it holds names, numbers and hashes, never a password, a key or a row of the
-- application's. An auditor's role needs no more than CONNECT to read and verify it. To write it is the owner's,
-- who installed it; another role that does deeds is given INSERT, and can neither choose number, time and role
-- of an entry nor change one.
GRANT SELECT ON "pgkeep"."change_log" TO PUBLIC;
