-- CreateEnum
CREATE TYPE "SessionStatus" AS ENUM ('IN_PROGRESS', 'COMPLETED', 'REFERRED');

-- CreateTable
CREATE TABLE "sessions" (
    "id" SERIAL NOT NULL,
    "child_id" INTEGER NOT NULL,
    "examiner_id" INTEGER NOT NULL,
    "posyandu_id" INTEGER NOT NULL,
    "status" "SessionStatus" NOT NULL DEFAULT 'IN_PROGRESS',
    "examined_at" TIMESTAMPTZ(3) NOT NULL,
    "age_months" SMALLINT NOT NULL,
    "weight_kg" DECIMAL(5,2) NOT NULL,
    "height_cm" DECIMAL(5,1) NOT NULL,
    "diagnosis" VARCHAR(120),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "session_quiz_steps" (
    "id" SERIAL NOT NULL,
    "session_id" INTEGER NOT NULL,
    "step_number" SMALLINT NOT NULL,
    "question_code" VARCHAR(40) NOT NULL,
    "answer" VARCHAR(40) NOT NULL,
    "answered_at" TIMESTAMPTZ(3) NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "session_quiz_steps_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "sessions_child_id_examined_at_idx" ON "sessions"("child_id", "examined_at");

-- CreateIndex
CREATE INDEX "sessions_examiner_id_idx" ON "sessions"("examiner_id");

-- CreateIndex
CREATE INDEX "sessions_posyandu_id_idx" ON "sessions"("posyandu_id");

-- CreateIndex
CREATE UNIQUE INDEX "session_quiz_steps_session_id_step_number_key" ON "session_quiz_steps"("session_id", "step_number");

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_child_id_fkey" FOREIGN KEY ("child_id") REFERENCES "children"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_examiner_id_fkey" FOREIGN KEY ("examiner_id") REFERENCES "users"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_posyandu_id_fkey" FOREIGN KEY ("posyandu_id") REFERENCES "posyandus"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "session_quiz_steps" ADD CONSTRAINT "session_quiz_steps_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "sessions"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
