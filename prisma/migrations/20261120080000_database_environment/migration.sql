-- CreateSchema
CREATE SCHEMA IF NOT EXISTS "pgkeep";

-- CreateTable
CREATE TABLE "pgkeep"."database_environment" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "environment" TEXT NOT NULL,
    "system_identifier" TEXT NOT NULL,
    "database_oid" BIGINT NOT NULL,
    "stamped_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stamped_by" TEXT NOT NULL,

    CONSTRAINT "database_environment_pkey" PRIMARY KEY ("id"),
    -- Prisma has no CHECK; these keep the stamp one row with a known name whoever writes it.
    CONSTRAINT "database_environment_one_row" CHECK ("id" = 1),
    CONSTRAINT "database_environment_known" CHECK ("environment" IN ('development', 'test', 'staging', 'production'))
);

-- The stamp is no secret, and the least role (CONNECT, and SELECT on the application's history) must see it:
-- a stamp that cannot be read would have to be taken for a foreign one.
GRANT USAGE ON SCHEMA "pgkeep" TO PUBLIC;
GRANT SELECT ON "pgkeep"."database_environment" TO PUBLIC;
