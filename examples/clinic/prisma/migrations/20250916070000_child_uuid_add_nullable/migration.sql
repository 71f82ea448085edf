-- Step 1 of 3 towards a required "child_uuid": add it nullable. No rewrite, and the application that does not
-- know the column yet keeps working.
SET lock_timeout = '5s';

-- AlterTable
ALTER TABLE "children" ADD COLUMN "child_uuid" VARCHAR(64);
