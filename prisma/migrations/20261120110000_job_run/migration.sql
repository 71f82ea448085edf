-- CreateTable
CREATE TABLE "pgkeep"."job" (
    "name" TEXT NOT NULL,
    "schedule" TEXT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "job_pkey" PRIMARY KEY ("name")
);

-- CreateTable
CREATE TABLE "pgkeep"."job_run" (
    "id" UUID NOT NULL DEFAULT gen_random_uuid(),
    "job" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "trigger" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "fence" BIGINT,
    "holder" TEXT,
    "lease_expires_at" TIMESTAMPTZ(3),
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),
    "losses" INTEGER NOT NULL DEFAULT 0,
    "parameters" JSONB NOT NULL DEFAULT '{}',
    "result" JSONB,
    "error" JSONB,

    CONSTRAINT "job_run_pkey" PRIMARY KEY ("id"),
    -- Prisma has no CHECK. A run that is held has a holder, a number and an end of its lease.
    CONSTRAINT "job_run_trigger_known" CHECK ("trigger" IN ('schedule', 'catch-up', 'manual')),
    CONSTRAINT "job_run_state_known" CHECK ("state" IN ('running', 'succeeded', 'failed', 'lost', 'interrupted', 'skipped')),
    CONSTRAINT "job_run_is_held" CHECK ("state" <> 'running' OR ("fence" IS NOT NULL AND "holder" IS NOT NULL AND "lease_expires_at" IS NOT NULL AND "started_at" IS NOT NULL))
);

-- One run for one due time, and one fencing number for one claim: of several replicas that come at once, the
-- others' INSERT does nothing.
CREATE UNIQUE INDEX "job_run_job_due_at_key" ON "pgkeep"."job_run"("job", "due_at");
CREATE UNIQUE INDEX "job_run_job_fence_key" ON "pgkeep"."job_run"("job", "fence");

-- A job never overlaps itself.
CREATE UNIQUE INDEX "job_run_one_running" ON "pgkeep"."job_run"("job") WHERE "state" = 'running';

-- The history is no secret: names, times, numbers, and errors without secrets. The least role's readiness check
-- reads it. Who runs jobs is given INSERT, UPDATE and DELETE.
GRANT SELECT ON "pgkeep"."job", "pgkeep"."job_run" TO PUBLIC;
