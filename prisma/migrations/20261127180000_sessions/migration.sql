-- The sessions that ended before their time, and the newest end of all sessions, which has no end itself. Every replica
-- reads it. Backups hold the table without its rows.

-- CreateTable
CREATE TABLE "pgkeep"."ended_session" (
    "id" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "ended_session_pkey" PRIMARY KEY ("id")
);

-- An id is no secret: the cookie of a session needs a signature. Who ends sessions is given INSERT and DELETE.
GRANT SELECT ON "pgkeep"."ended_session" TO PUBLIC;
