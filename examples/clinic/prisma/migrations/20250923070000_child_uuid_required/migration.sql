-- Step 3 of 3: every child has one, so require it. A NULL that slipped in stops the migration here, unchanged.
-- Both statements lock the table; at a clinic's size that takes milliseconds, and lock_timeout keeps a busy
-- table from queueing everyone behind us.
SET lock_timeout = '5s';

-- AlterTable
ALTER TABLE "children" ALTER COLUMN "child_uuid" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "children_child_uuid_key" ON "children"("child_uuid");
