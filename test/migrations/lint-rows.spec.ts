import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import { createDatabase } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const MADE = `
  CREATE TABLE "lot" ("id" INT PRIMARY KEY, "sku" TEXT, "label" TEXT, "parent" INT);
  CREATE TABLE "peer" ("id" INT PRIMARY KEY, "sku" TEXT, "label" TEXT NOT NULL);
  INSERT INTO "lot" VALUES (1, 'a', 'x', NULL), (2, 'b', 'y', 1), (3, 'c', 'z', 1);
  INSERT INTO "peer" VALUES (1, 'a', 'p'), (9, 'q', 'r');`;

/** Every row of `lot` is written or removed. */
const ALL = [
  'DELETE FROM "lot"',
  'DELETE FROM "lot" WHERE "id" IN (SELECT "id" FROM "lot")',
  'DELETE FROM "lot" l WHERE l."id" IN (SELECT x."id" FROM "lot" x WHERE x."id" IS NOT NULL)',
  'DELETE FROM "lot" WHERE "id" = ANY (SELECT "id" FROM "lot")',
  'DELETE FROM "lot" WHERE EXISTS (SELECT 1 FROM "lot")',
  'DELETE FROM "lot" AS l WHERE l."id" IS NOT NULL',
  'DELETE FROM "lot" l USING "peer" p WHERE l."id" = l."id"',
  'UPDATE "lot" SET "label" = upper("label") WHERE "id" = "id"',
  'UPDATE "lot" SET "label" = p."label" FROM "peer" p',
  `UPDATE "lot" l SET "label" = p."label" FROM "peer" p WHERE p."sku" = 'a'`,
  'DELETE FROM "lot" USING "peer" p WHERE p."label" IS NOT NULL AND EXISTS (SELECT FROM "peer" x WHERE x."id" = p."id")',
  `UPDATE "lot" SET "label" = 'x', "sku" = coalesce("sku", 'y')`,
];

/** Some rows are not changed. */
const SOME = [
  'UPDATE "lot" l SET "label" = p."label" FROM "peer" p WHERE p."sku" = l."sku"',
  'DELETE FROM "lot" l USING "peer" p WHERE l."id" = p."id"',
  'DELETE FROM "lot" USING "peer" p WHERE "lot"."sku" = p."sku" AND p."label" IS NOT NULL',
  'DELETE FROM "lot" WHERE "id" IN (SELECT "parent" FROM "lot")',
  'DELETE FROM "lot" WHERE "id" IN (SELECT "id" FROM "lot" LIMIT 1)',
  'DELETE FROM "lot" WHERE "id" IN (SELECT "id" FROM "peer")',
  'DELETE FROM "lot" WHERE "id" NOT IN (SELECT "id" FROM "lot")',
  'DELETE FROM "lot" l WHERE EXISTS (SELECT 1 FROM "lot" c WHERE c."parent" = l."id")',
  'DELETE FROM "lot" WHERE "id" IN (SELECT max("id") FROM "lot" GROUP BY "parent")',
  'DELETE FROM "lot" l USING "peer" p WHERE p."id" = l."id" OR p."sku" IS NULL',
];

/** All rows are written, and none loses a value. */
const KEPT = [
  `UPDATE "lot" SET "label" = coalesce("label", '')`,
  'UPDATE "lot" l SET "label" = l."label" WHERE l."id" IS NOT NULL',
];

describe('which rows a statement changes, compared with PostgreSQL', () => {
  let own: ThrowAwayCluster;
  let client: Client;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    client = new Client({ connectionString: await createDatabase(own, 'rows') });
    await client.connect();
    await client.query(MADE);
  });
  afterAll(async () => {
    await client.end();
    await own.cluster.destroy();
  });

  async function takesAll(sql: string): Promise<boolean> {
    await client.query('BEGIN');
    const { rowCount } = await client.query(sql);
    await client.query('ROLLBACK');
    return rowCount === 3;
  }

  async function isFound(sql: string): Promise<boolean> {
    const { findings } = await lintMigrations([
      { path: '1', content: MADE, isJudged: false },
      { path: '2', content: sql },
    ]);
    return findings.some(({ rule }) => /^(update|delete)-without-where$/.test(rule));
  }

  it.each(ALL)('every row: %s', async (sql) => {
    expect({ takesAll: await takesAll(sql), isFound: await isFound(sql) }).toEqual({
      takesAll: true,
      isFound: true,
    });
  });

  it.each(SOME)('some rows: %s', async (sql) => {
    expect({ takesAll: await takesAll(sql), isFound: await isFound(sql) }).toEqual({
      takesAll: false,
      isFound: false,
    });
  });

  it.each(KEPT)('every row, without loss: %s', async (sql) => {
    expect({ takesAll: await takesAll(sql), isFound: await isFound(sql) }).toEqual({
      takesAll: true,
      isFound: false,
    });
  });

  it('a new value of an enum can be used after it is committed, not before', async () => {
    await client.query(`CREATE TYPE "Shade" AS ENUM ('DARK'); CREATE TABLE "paint" ("shade" "Shade")`);
    const made = `CREATE TYPE "Shade" AS ENUM ('DARK'); CREATE TABLE "paint" ("shade" "Shade");`;
    const use = `ALTER TABLE "paint" ALTER COLUMN "shade" SET DEFAULT 'LIGHT'`;
    const found = async (content: string): Promise<string[]> => {
      const files = [
        { path: '1', content: made, isJudged: false },
        { path: '2', content },
      ];
      const { findings } = await lintMigrations(files, { engine: 'prisma-before-7.4' });
      return findings.flatMap(({ rule, message }) => (rule === 'enum-value-in-use' ? [message] : []));
    };
    const together = `ALTER TYPE "Shade" ADD VALUE 'LIGHT'; ${use}`;
    expect(await found(together)).toEqual([
      `'LIGHT' is added to "Shade" by this file: PostgreSQL refuses a new value in the transaction that adds it, and Prisma before 7.4 sends the file as one transaction. The migration fails.`,
    ]);
    await expect(client.query(together)).rejects.toThrow('unsafe use of new value "LIGHT"');
    const committed = `BEGIN; ALTER TYPE "Shade" ADD VALUE 'LIGHT'; COMMIT; ${use}`;
    expect(await found(committed)).toEqual([]);
    await client.query(committed);
  });
});
