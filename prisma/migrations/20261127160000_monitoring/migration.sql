-- What monitoring keeps: which replica samples, and the history of what it measured. Backups hold these tables without
-- their rows: after a restore the lease must be free, and old measurements would be those of another database.

-- CreateTable
CREATE TABLE "pgkeep"."lease" (
    "name" TEXT NOT NULL,
    "holder" TEXT NOT NULL,
    "fence" BIGINT NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "deputy" TEXT,
    "deputy_expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "lease_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "pgkeep"."sample" (
    "step" SMALLINT NOT NULL,
    "at" TIMESTAMPTZ(0) NOT NULL,
    "vitals" JSONB NOT NULL,

    CONSTRAINT "sample_pkey" PRIMARY KEY ("step", "at"),
    -- Prisma has no CHECK. A minute, a quarter of an hour, six hours.
    CONSTRAINT "sample_step_known" CHECK ("step" IN (1, 15, 360)),
    CONSTRAINT "sample_vitals_is_an_object" CHECK (jsonb_typeof("vitals") = 'object')
);

-- The newest report, for the replicas that do not sample. It is replaced every few seconds, so it is not written to the
-- WAL; after a crash the next sample brings another.
-- CreateTable
CREATE UNLOGGED TABLE "pgkeep"."monitoring_report" (
    "id" SMALLINT NOT NULL DEFAULT 1,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "report" JSONB NOT NULL,

    CONSTRAINT "monitoring_report_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "monitoring_report_is_one_row" CHECK ("id" = 1)
);

-- CreateTable
CREATE TABLE "pgkeep"."table_size" (
    "day" DATE NOT NULL,
    "name" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "rows" BIGINT NOT NULL,

    CONSTRAINT "table_size_pkey" PRIMARY KEY ("day", "name")
);

-- CreateTable
CREATE TABLE "pgkeep"."index_scans" (
    "day" DATE NOT NULL,
    "name" TEXT NOT NULL,
    "scans" BIGINT NOT NULL,

    CONSTRAINT "index_scans_pkey" PRIMARY KEY ("day", "name")
);

-- Numbers, and names that the catalogue shows to everybody. The report is another matter: it names sessions.
GRANT SELECT ON "pgkeep"."lease", "pgkeep"."sample", "pgkeep"."table_size", "pgkeep"."index_scans" TO PUBLIC;
