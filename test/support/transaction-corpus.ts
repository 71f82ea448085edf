/**
 * Migrations that stock Prisma applies, committing each statement by itself: most of them cannot run in one
 * transaction. They run in this order in one session, because settings of the session carry over. Names of
 * cluster-wide objects contain `@name@`.
 */
export const TRANSACTION_CORPUS: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: '01_enum',
    sql: `CREATE TYPE "Shade" AS ENUM ('DARK');
CREATE TABLE "paint" ("id" INT PRIMARY KEY, "shade" "Shade" NOT NULL DEFAULT 'DARK');
INSERT INTO "paint" VALUES (1, 'DARK');`,
  },
  {
    name: '02_enum_value_used',
    sql: `ALTER TYPE "Shade" ADD VALUE 'LIGHT';
ALTER TABLE "paint" ALTER COLUMN "shade" SET DEFAULT 'LIGHT';
INSERT INTO "paint" VALUES (2);`,
  },
  {
    name: '03_enum_value_committed',
    sql: `BEGIN;
ALTER TYPE "Shade" ADD VALUE 'BRIGHT' BEFORE 'LIGHT';
COMMIT;
UPDATE "paint" SET "shade" = 'BRIGHT' WHERE "id" = 1;`,
  },
  {
    name: '04_concurrently',
    sql: `-- two of them; and a comment that ends a statement;
ALTER TABLE "paint" ADD COLUMN "name" TEXT;
CREATE INDEX CONCURRENTLY "paint_name_idx" ON "paint" ("name");
CREATE UNIQUE INDEX CONCURRENTLY "paint_pair_key" ON "paint" ("id", "name");
INSERT INTO "paint" ("id", "name") VALUES (3, 'a;b');`,
  },
  {
    name: '05_drop_concurrently',
    sql: `DROP INDEX CONCURRENTLY "paint_name_idx";
DROP INDEX CONCURRENTLY IF EXISTS "paint_pair_key";
CREATE INDEX "paint_shade_idx" ON "paint" ("shade");`,
  },
  {
    name: '06_vacuum',
    sql: 'VACUUM (ANALYZE) "paint";\nANALYZE "paint";\nDELETE FROM "paint" WHERE "id" = 3;\n',
  },
  {
    name: '07_procedure_that_commits',
    sql: `CREATE PROCEDURE fill() LANGUAGE plpgsql AS $body$
BEGIN
  FOR n IN 10..12 LOOP
    INSERT INTO "paint" ("id", "name") VALUES (n, 'filled; by a "procedure"');
    COMMIT;
  END LOOP;
END $body$;
CALL fill();
ALTER TABLE "paint" ALTER COLUMN "name" SET DEFAULT 'none';`,
  },
  {
    name: '08_block_that_commits',
    sql: `DO $$ BEGIN UPDATE "paint" SET "name" = 'x'; COMMIT; UPDATE "paint" SET "name" = 'y' WHERE "id" = 2; END $$;
CREATE TABLE "after_block" ("id" INT);`,
  },
  {
    name: '09_deferred',
    sql: `CREATE TABLE "shelf" ("id" INT PRIMARY KEY);
CREATE TABLE "book" ("id" INT PRIMARY KEY, "shelf" INT REFERENCES "shelf" DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "shelf" VALUES (1), (2);
INSERT INTO "book" VALUES (1, 1);
UPDATE "book" SET "shelf" = 2;
ALTER TABLE "book" ADD COLUMN "title" TEXT;`,
  },
  {
    name: '10_partitions',
    sql: `CREATE TABLE "log" ("id" INT NOT NULL, "day" DATE NOT NULL) PARTITION BY RANGE ("day");
CREATE TABLE "log_old" PARTITION OF "log" FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE "log_new" PARTITION OF "log" FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
CREATE INDEX "log_day_idx" ON "log" ("day");
REINDEX TABLE "log";
REINDEX TABLE CONCURRENTLY "log_new";
ALTER TABLE "log" DETACH PARTITION "log_old" CONCURRENTLY;`,
  },
  {
    name: '11_quotes',
    sql: `/* a comment; /* in a comment; */ with 'quotes' and $$ */
CREATE FUNCTION "naïve 😀; f"() RETURNS TEXT LANGUAGE plpgsql AS $f$ BEGIN RETURN $in$;$in$ || ';'; END; $f$;
INSERT INTO "after_block" SELECT length(E'\\';' || 'é😀;' || U&'\\00e9'); -- ;
COMMENT ON TABLE "after_block" IS 'it''s; done';
CREATE FUNCTION twice(n INT) RETURNS INT LANGUAGE sql BEGIN ATOMIC SELECT n; SELECT n * 2; END;
VACUUM "after_block"`,
  },
  {
    name: '12_wrapped',
    sql: `-- a transaction around all of it
BEGIN;
CREATE TABLE "wrapped" ("id" INT);
SAVEPOINT before_error;
INSERT INTO "wrapped" VALUES (1);
ROLLBACK TO SAVEPOINT before_error;
INSERT INTO "wrapped" VALUES (2);
COMMIT;
-- the end`,
  },
  {
    name: '13_own_transactions',
    sql: `START TRANSACTION;
INSERT INTO "wrapped" VALUES (3);
COMMIT AND CHAIN;
INSERT INTO "wrapped" VALUES (4);
COMMIT;
BEGIN;
INSERT INTO "wrapped" VALUES (5);
ROLLBACK;
INSERT INTO "wrapped" VALUES (6);`,
  },
  { name: '14_empty', sql: '-- This is an empty migration.' },
  {
    name: '15_role',
    sql: `CREATE ROLE corpus_@name@;
GRANT CREATE ON SCHEMA public TO corpus_@name@;
SET ROLE corpus_@name@;
CREATE TABLE "of_role" ("id" INT);`,
  },
  { name: '16_still_role', sql: 'CREATE TABLE "of_role_too" ("id" INT);\nRESET ROLE;\n' },
  {
    name: '17_search_path',
    sql: `SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.qualified (id INT);
VACUUM public.qualified;`,
  },
  {
    name: '18_cluster_wide',
    sql: `SET search_path TO public;
CREATE DATABASE side_@name@ TEMPLATE template0;
DROP DATABASE side_@name@;
ALTER SYSTEM SET log_min_duration_statement = '1h';
ALTER SYSTEM RESET log_min_duration_statement;
CREATE TABLE "after_cluster" ("id" INT);`,
  },
  {
    name: '19_there_already',
    sql: `CREATE TABLE IF NOT EXISTS "wrapped" ("id" INT);
ALTER TABLE "wrapped" ADD COLUMN IF NOT EXISTS "more" INT[];
ALTER TABLE "wrapped" ADD COLUMN IF NOT EXISTS "serial" BIGSERIAL;
CREATE INDEX IF NOT EXISTS "wrapped_more" ON "wrapped" ("more", lower("id"::text));
CREATE INDEX CONCURRENTLY IF NOT EXISTS "wrapped_id" ON "wrapped" ("id" DESC) INCLUDE ("more");
CREATE SEQUENCE IF NOT EXISTS "numbers";`,
  },
  { name: '20_discard', sql: 'DISCARD ALL;\nCREATE TABLE "after_discard" ("id" INT);\n' },
];
