-- What was done to a database is an action. Renaming a column changes no entry: a hash is taken of the values of an
-- entry, in order, and not of the names of its columns.
ALTER TABLE "pgkeep"."change_log" RENAME COLUMN "deed" TO "action";
ALTER TABLE "pgkeep"."change_log" RENAME CONSTRAINT "change_log_deed_is_a_name" TO "change_log_action_is_a_name";
ALTER TABLE "pgkeep"."catalogue_fingerprint" RENAME COLUMN "deed" TO "action";
ALTER TABLE "pgkeep"."catalogue_fingerprint" RENAME CONSTRAINT "catalogue_fingerprint_deed_is_a_name" TO "catalogue_fingerprint_action_is_a_name";

-- The same function with the new name of the column, which a function's text does not follow.
CREATE OR REPLACE FUNCTION "pgkeep"."change_log_chain"() RETURNS trigger
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
    NEW.action, NEW.subject, NEW.details, NEW.role, NEW.actor, NEW.previous_hash)::text, 'UTF8')), 'hex');
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
