-- Step 2 of 3: give every existing child its identifier. The application has written one for each new child
-- since step 1. IS NULL makes the step safe to repeat.
SET lock_timeout = '5s';

UPDATE "children" SET "child_uuid" = gen_random_uuid()::text WHERE "child_uuid" IS NULL;
