-- Alerts, the messages about them that receivers have yet to take, and who silenced what. Backups hold these tables
-- without their rows: after a restore old alerts must not be sent again.

-- CreateTable
CREATE TABLE "pgkeep"."alert" (
    "id" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "alert" JSONB NOT NULL,
    "changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "alert_pkey" PRIMARY KEY ("id"),
    -- Prisma has no CHECK.
    CONSTRAINT "alert_state_known" CHECK ("state" IN ('pending', 'firing', 'resolved')),
    CONSTRAINT "alert_alert_is_an_object" CHECK (jsonb_typeof("alert") = 'object')
);

-- CreateTable
CREATE TABLE "pgkeep"."alert_delivery" (
    "id" UUID NOT NULL,
    "receiver" TEXT NOT NULL,
    "alert_ids" TEXT[] NOT NULL,
    "notice" JSONB NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'due',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "next_try_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "claimed_until" TIMESTAMPTZ(3),
    "last_error" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "alert_delivery_pkey" PRIMARY KEY ("id", "receiver"),
    CONSTRAINT "alert_delivery_state_known" CHECK ("state" IN ('due', 'sent', 'failed')),
    CONSTRAINT "alert_delivery_notice_is_an_object" CHECK (jsonb_typeof("notice") = 'object')
);

-- CreateTable
CREATE TABLE "pgkeep"."alert_silence" (
    "id" INTEGER NOT NULL,
    "code" TEXT NOT NULL,
    "subject" TEXT,
    "until" TIMESTAMPTZ(3) NOT NULL,
    "because" TEXT NOT NULL,
    "silenced_by" TEXT NOT NULL,
    "silenced_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "alert_silence_pkey" PRIMARY KEY ("id")
);

-- What is left to send is looked for every few seconds; what was sent stays for a month.
CREATE INDEX "alert_delivery_due" ON "pgkeep"."alert_delivery"("receiver", "created_at") WHERE "state" = 'due';
