-- Records leave by soft delete. The columns are nullable, so adding them rewrites nothing.
SET lock_timeout = '5s';

-- AlterTable
ALTER TABLE "posyandus" ADD COLUMN "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_by" VARCHAR(100);

-- AlterTable
ALTER TABLE "users" ADD COLUMN "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_by" VARCHAR(100);

-- AlterTable
ALTER TABLE "parents" ADD COLUMN "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_by" VARCHAR(100);

-- AlterTable
ALTER TABLE "children" ADD COLUMN "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_by" VARCHAR(100);

-- AlterTable
ALTER TABLE "sessions" ADD COLUMN "deleted_at" TIMESTAMPTZ(3),
ADD COLUMN "deleted_by" VARCHAR(100);
