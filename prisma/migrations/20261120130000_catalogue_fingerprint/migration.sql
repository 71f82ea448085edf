-- CreateTable
CREATE TABLE "pgkeep"."catalogue_fingerprint" (
    "id" BIGINT GENERATED ALWAYS AS IDENTITY,
    "recorded_at" TIMESTAMPTZ(3) NOT NULL DEFAULT clock_timestamp(),
    "deed" TEXT NOT NULL,
    "method" SMALLINT NOT NULL,
    "server_version" INTEGER NOT NULL,
    "database_oid" BIGINT NOT NULL,
    "table_oid" BIGINT NOT NULL,
    "migrations" JSONB NOT NULL,
    "digests" JSONB NOT NULL,
    "lines" JSONB,

    CONSTRAINT "catalogue_fingerprint_pkey" PRIMARY KEY ("id"),
    -- Prisma has no CHECK. The shape of a deed's name and not a list: a new deed must need no migration.
    CONSTRAINT "catalogue_fingerprint_deed_is_a_name" CHECK ("deed" ~ '^[a-z]+(-[a-z]+)*$'),
    CONSTRAINT "catalogue_fingerprint_migrations_is_a_list" CHECK (jsonb_typeof("migrations") = 'array')
);

-- What the catalogue of the database says anyway to everybody who connects: the readiness check's role needs no
-- grant. To write is the owner's, and that of roles that are given INSERT, UPDATE and DELETE: of the fingerprints
-- before the newest only the digests are kept, and of those the newest fifty.
GRANT SELECT ON "pgkeep"."catalogue_fingerprint" TO PUBLIC;
