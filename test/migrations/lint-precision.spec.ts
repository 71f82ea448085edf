import { describe, expect, it } from '@jest/globals';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import type { LintContext, LintFile } from '../../src/migrations/lint/lint.types.js';

const HISTORY: LintFile = {
  path: 'm/20250101000000_init/migration.sql',
  isJudged: false,
  content: `
    CREATE TYPE "Role" AS ENUM ('A', 'B');
    CREATE TABLE "users" ("id" SERIAL PRIMARY KEY, "email" TEXT NOT NULL, "role" "Role", "a" INT, "b" INT);
    CREATE INDEX "users_email_idx" ON "users"("email");
    CREATE MATERIALIZED VIEW "sums" AS SELECT count(*) FROM "users"; CREATE VIEW "names" AS SELECT "email" FROM "users";
    CREATE TABLE "parts" ("id" INT) PARTITION BY RANGE ("id"); CREATE INDEX "parts_idx" ON "parts"("id");
    CREATE TABLE "part" ("id" INT);`,
};

async function found(content: string, context?: LintContext, more?: Partial<LintFile>): Promise<string[]> {
  const file = { path: 'm/20250701000000_next/migration.sql', content, ...more };
  const { findings } = await lintMigrations([HISTORY, file], context);
  return findings.map(({ severity, rule, message }) => `${severity} ${rule}: ${message}`);
}

async function rules(content: string, context?: LintContext): Promise<string[]> {
  return (await found(content, context)).map((line) => line.split(':')[0] ?? '');
}

describe('a new object has nothing to lose', () => {
  it.each([
    'ALTER TABLE "users" ADD COLUMN "c" TEXT; ALTER TABLE "users" DROP COLUMN "c"',
    'ALTER TABLE "users" ADD COLUMN "c" TEXT; ALTER TABLE "users" RENAME COLUMN "c" TO "d"',
    'ALTER TABLE "users" ADD COLUMN "c" TEXT; ALTER TABLE "users" ALTER COLUMN "c" TYPE INT USING 0',
    'CREATE TABLE "n" ("id" INT); DROP TABLE "n" CASCADE',
    'CREATE TABLE "n" ("id" INT); CREATE INDEX "i" ON "n"("id"); DROP INDEX "i"; TRUNCATE "n" CASCADE',
    'DELETE FROM "users" WHERE "id" = 1; TRUNCATE "n"; CREATE TABLE "n" ("id" INT)',
    // Prisma replaces an enum.
    `CREATE TYPE "Role_new" AS ENUM ('A'); ALTER TYPE "Role" RENAME TO "Role_old"; ALTER TYPE "Role_new" RENAME TO "Role"; DROP TYPE "Role_old"`,
    'DROP TRIGGER IF EXISTS "t" ON "users"; CREATE TRIGGER "t" BEFORE INSERT ON "users" FOR EACH ROW EXECUTE FUNCTION f()',
    'ALTER TABLE "users" DISABLE TRIGGER USER; ALTER TABLE "users" ENABLE TRIGGER USER',
    'SET session_replication_role = replica; SET session_replication_role = DEFAULT',
    'ALTER TABLE "users" DROP CONSTRAINT "users_pkey", ADD CONSTRAINT "users_pkey" PRIMARY KEY USING INDEX "x"',
    'DROP VIEW "names"; CREATE VIEW "names" AS SELECT "id" FROM "users"',
    'CREATE SEQUENCE "s"; ALTER SEQUENCE "s" RESTART WITH 5',
    `SELECT setval('users_id_seq', (SELECT max("id") FROM "users"))`,
    'GRANT USAGE ON SCHEMA public TO PUBLIC; GRANT SELECT ON "users" TO reporting',
    'REFRESH MATERIALIZED VIEW CONCURRENTLY "sums"',
  ])('no finding: %s', async (sql) => {
    expect((await found(sql)).filter((line) => !line.includes('truncate'))).toEqual([]);
  });

  it('a backfill of a column that the file adds loses nothing; that of an existing column does', async () => {
    const add = 'ALTER TABLE "users" ADD COLUMN "full" TEXT;';
    expect(await rules(`${add} UPDATE "users" SET "full" = lower("email")`)).toEqual([
      'warning risky-together',
    ]);
    expect(await rules(`${add} UPDATE "users" SET "full" = 'x', "email" = 'y'`)).toContain(
      'error update-without-where',
    );
  });

  it('objects of earlier files of the same plan are new', async () => {
    const one: LintFile = {
      path: 'm/20250701000000_a/migration.sql',
      content: 'ALTER TABLE "users" ADD COLUMN "c" TEXT; CREATE TABLE "n" ("id" INT);',
      isPending: true,
    };
    const two: LintFile = {
      path: 'm/20250901000000_b/migration.sql',
      content: 'UPDATE "users" SET "c" = "email"; CREATE INDEX "i" ON "n"("id"); DROP TABLE "n";',
      isPending: true,
    };
    expect((await lintMigrations([HISTORY, one, two])).findings).toEqual([]);
  });

  it('without a database, a table created on the same day is small, but its rows can be lost', async () => {
    const day = { path: 'm/20250101230000_later/migration.sql' };
    expect(await found('CREATE INDEX "i" ON "users"("a")', {}, day)).toEqual([]);
    expect(await found('ALTER TABLE "users" ADD COLUMN "n" INT NOT NULL', {}, day)).toEqual([]);
    expect((await found('DROP TABLE "users"', {}, day)).length).toBe(1);
    const sizes = new Map([['public.users', { rows: 1e6, bytes: 1e8 }]]);
    expect((await found('CREATE INDEX "i" ON "users"("a")', { sizes }, day)).length).toBe(1);
  });

  it('objects that the database does not have cannot be lost', async () => {
    const sizes = new Map([['public.ghost', null]]);
    const drop = 'DROP TABLE IF EXISTS "ghost" CASCADE';
    expect(await found(drop, { sizes })).toEqual([]);
    expect(await rules(drop)).toEqual(['error drop-table']);
  });

  it('one finding of a kind per statement', async () => {
    expect(await found('ALTER TABLE "users" DROP COLUMN "a", DROP COLUMN "b" CASCADE')).toEqual([
      'error drop-column: DROP COLUMN removes "a", "b" of "users" and their values in every row (size unknown, assumed to be large). Only a backup can restore them, and an application that still uses one of the columns will fail: Prisma names every column of its schema. CASCADE also drops everything that depends on it (views, foreign keys, columns); the file does not name these objects.',
    ]);
    expect(await found('ALTER TABLE "users" ALTER "a" TYPE BIGINT, ALTER "b" TYPE BIGINT')).toEqual([
      'error column-type-change: Changing the type of "a" from INTEGER to BIGINT, and of "b" from INTEGER to BIGINT rewrites "users" (size unknown, assumed to be large) and its indexes under a lock that blocks reads and writes.',
    ]);
    expect((await found('ALTER TABLE "users" ALTER "a" SET NOT NULL, ALTER "b" SET NOT NULL')).length).toBe(
      1,
    );
  });
});

describe('dangerous statements are findings', () => {
  it.each([
    [
      'ALTER TABLE "users" ADD CONSTRAINT "c" CHECK ("a" > 0) NOT VALID; ALTER TABLE "users" VALIDATE CONSTRAINT "c"',
      'warning risky-together: VALIDATE CONSTRAINT of "users" (size unknown, assumed to be large) runs while an earlier statement of this file holds its lock on "users". Queries on "users" wait until it is done. `pgkeep migrate deploy` applies the file as one transaction.',
    ],
    [
      'ALTER TABLE "users" ADD COLUMN "c" TEXT UNIQUE',
      'error constraint-builds-index: ADD UNIQUE builds its index under a lock that blocks reads and writes of "users" (size unknown, assumed to be large).',
    ],
    [
      'CLUSTER "users"',
      'error table-rewrite: CLUSTER rewrites "users" (size unknown, assumed to be large) and its indexes under a lock that blocks reads and writes.',
    ],
    [
      'VACUUM FULL "users"',
      'error table-rewrite: VACUUM FULL rewrites "users" (size unknown, assumed to be large) and its indexes under a lock that blocks reads and writes.',
    ],
    [
      'REINDEX INDEX "users_email_idx"',
      'error reindex-not-concurrently: REINDEX blocks writes to "users", and reads that use the index, until the index is built.',
    ],
    [
      'REFRESH MATERIALIZED VIEW "sums"',
      'error refresh-not-concurrently: REFRESH MATERIALIZED VIEW blocks reads of "sums" until its query is done.',
    ],
    [
      'CREATE UNLOGGED TABLE "n" ("id" INT)',
      'warning unlogged-table: PostgreSQL empties an unlogged table after a crash, and replicas do not have its rows: "n" can lose every row.',
    ],
    [
      'ALTER TABLE "parts" ATTACH PARTITION "part" FOR VALUES FROM (0) TO (9)',
      'error attach-partition: ATTACH PARTITION reads all of "part" (size unknown, assumed to be large) under a lock that blocks reads and writes of it. With a validated CHECK of the partition’s bounds, nothing is read.',
    ],
    [
      'ALTER TABLE "parts" DETACH PARTITION "part"',
      'warning detach-partition: DETACH PARTITION blocks reads and writes of "parts" and all its partitions while it waits for its lock behind running queries. Afterwards the rows of "part" are no longer in "parts".',
    ],
    [
      'CREATE INDEX CONCURRENTLY "i" ON "parts"("id")',
      'error concurrently-on-partitioned: "parts" is partitioned, and PostgreSQL cannot create an index of a partitioned table CONCURRENTLY. The migration fails.',
    ],
    [
      'DROP INDEX CONCURRENTLY "parts_idx"',
      'error concurrently-on-partitioned: "parts" is partitioned, and PostgreSQL cannot drop an index of a partitioned table CONCURRENTLY. The migration fails.',
    ],
    [
      `ALTER TYPE "Role" RENAME VALUE 'A' TO 'C'`,
      `error rename-type: The running application still uses the value 'A' of "Role" and will fail.`,
    ],
    [
      'ALTER TYPE "Role" RENAME TO "Grade"',
      'error rename-type: The running application still uses the type "Role" and will fail.',
    ],
    [
      'ALTER SCHEMA "app" RENAME TO "old"',
      'error rename-schema: The running application still uses tables of schema "app" and will fail.',
    ],
    [
      'ALTER TABLE "users" DISABLE TRIGGER ALL',
      'error weakened-protection: After this statement, every trigger and every foreign key is switched off for "users": rows are written or read that were not permitted before.',
    ],
    [
      'ALTER TABLE "users" DISABLE ROW LEVEL SECURITY',
      'error weakened-protection: After this statement, row level security is switched off for "users": rows are written or read that were not permitted before.',
    ],
    [
      'DROP POLICY "own" ON "users"',
      'error weakened-protection: DROP POLICY removes policy "own" of "users": rows are read or written that it did not permit.',
    ],
    [
      'ALTER TABLE "users" DROP CONSTRAINT "users_pkey"',
      'error weakened-protection: "users" loses its primary key: duplicate rows are accepted, and logical replication of changes stops.',
    ],
    [
      'SET session_replication_role = replica',
      'error weakened-protection: With session_replication_role = replica, no trigger fires and no foreign key is checked.',
    ],
    [
      'GRANT SELECT ON "users" TO PUBLIC',
      'warning grant-to-public: GRANT … TO PUBLIC gives the right to every role that can connect, now and later: a backup role, a reporting tool, another application.',
    ],
    [
      `SELECT setval('users_id_seq', 1)`,
      'warning sequence-reset: A sequence restarts at a fixed number. If rows have the next numbers, inserts fail as duplicates; if such rows were deleted, their numbers are used again for other rows.',
    ],
    [
      'ALTER SEQUENCE "users_id_seq" RESTART',
      'warning sequence-reset: Sequence "users_id_seq" restarts at a fixed number. If rows have the next numbers, inserts fail as duplicates; if such rows were deleted, their numbers are used again for other rows.',
    ],
    [
      'DROP VIEW "names"',
      'warning drop-object: DROP VIEW removes view "names". An application that still reads it will fail.',
    ],
    [
      'BEGIN; SELECT 1',
      'error open-transaction: BEGIN opens a transaction that this file does not end. PostgreSQL may roll back every statement after it.',
    ],
    [
      'BEGIN; SELECT 1; ROLLBACK',
      'error open-transaction: ROLLBACK undoes the statements before it, but the history records the migration as applied.',
    ],
    [
      'LOCK TABLE "users" IN SHARE MODE',
      'warning lock-table: LOCK TABLE in SHARE mode blocks writes of "users" until the transaction ends.',
    ],
  ])('%s', async (sql, expected) => {
    expect(await found(sql)).toEqual([expected]);
  });
});
