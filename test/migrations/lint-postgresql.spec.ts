import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { errorCode } from '../../src/core/errors.js';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import { createDatabase } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** The findings about a large table, in the file after the one that creates it. */
async function rulesFor(made: string, then: string): Promise<string[]> {
  const { findings } = await lintMigrations([
    { path: '1', content: made, isJudged: false },
    { path: '2', content: `SET lock_timeout = '5s'; ${then}` },
  ]);
  return findings.map(({ rule }) => rule);
}

describe('what the rules assume about PostgreSQL', () => {
  let own: ThrowAwayCluster;
  let client: Client;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    client = new Client({ connectionString: await createDatabase(own, 'facts') });
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await own.cluster.destroy();
  });

  /** Whether a statement makes PostgreSQL rewrite the table. */
  async function rewrites(made: string, then: string): Promise<boolean> {
    const fileOf = async (): Promise<unknown> =>
      (await client.query(`SELECT pg_relation_filenode('t') AS node`)).rows[0];
    await client.query('BEGIN');
    try {
      await client.query(made);
      await client.query('INSERT INTO t (id) VALUES (1), (2)');
      const before = await fileOf();
      await client.query(then);
      return JSON.stringify(await fileOf()) !== JSON.stringify(before);
    } finally {
      await client.query('ROLLBACK');
    }
  }

  it.each([
    ['VARCHAR(10)', 'VARCHAR(20)'],
    ['VARCHAR(20)', 'VARCHAR(10)'],
    ['VARCHAR(10)', 'VARCHAR'],
    ['VARCHAR(10)', 'TEXT'],
    ['TEXT', 'VARCHAR'],
    ['TEXT', 'VARCHAR(10)'],
    ['CHAR(5)', 'TEXT'],
    ['CHAR(5)', 'CHAR(9)'],
    ['DECIMAL(4,2)', 'DECIMAL(8,2)'],
    ['DECIMAL(4,2)', 'DECIMAL(8,3)'],
    ['DECIMAL(4,2)', 'NUMERIC'],
    ['DECIMAL(8,2)', 'DECIMAL(4,2)'],
    ['INTEGER', 'BIGINT'],
    ['INTEGER', 'TEXT'],
    ['SMALLINT', 'INTEGER'],
    ['TIMESTAMP(3)', 'TIMESTAMP(6)'],
    ['TIMESTAMP(3)', 'TIMESTAMP'],
    ['TIMESTAMP(6)', 'TIMESTAMP(3)'],
    ['TIMESTAMPTZ(3)', 'TIMESTAMPTZ(6)'],
    ['TIME(3)', 'TIME(6)'],
    ['BIT VARYING(3)', 'BIT VARYING(9)'],
    ['BIT VARYING(9)', 'BIT VARYING(3)'],
    ['BIT(3)', 'BIT(9)'],
    ['CIDR', 'INET'],
    ['JSON', 'JSONB'],
    ['INTEGER', 'OID'],
    ['TEXT[]', 'TEXT[]'],
    ['VARCHAR(3)[]', 'VARCHAR(9)[]'],
    ['DATE', 'TIMESTAMP'],
    ['REAL', 'DOUBLE PRECISION'],
  ])('type change from %s to %s: rewrites the table if the lint says so', async (from, to) => {
    const made = `CREATE TABLE t (id INTEGER, c ${from})`;
    const then = `ALTER TABLE t ALTER COLUMN c TYPE ${to} USING c::${to}`;
    const found = (await rulesFor(made, then)).includes('column-type-change');
    // A needless finding is a nuisance, a missing one an outage: only the second fails this test.
    expect({ found, rewrites: await rewrites(made, then) }).not.toEqual({ found: false, rewrites: true });
  });

  it('common type changes without a rewrite are not findings', async () => {
    const made = 'CREATE TABLE t (id INTEGER, a VARCHAR(10), b DECIMAL(4,2), c TIMESTAMP(3))';
    const then = 'ALTER TABLE t ALTER a TYPE TEXT, ALTER b TYPE DECIMAL(9,2), ALTER c TYPE TIMESTAMP(6)';
    expect(await rulesFor(made, then)).toEqual([]);
    expect(await rewrites(made, then)).toBe(false);
  });

  it.each([
    ['gen_random_uuid()', true],
    ['random()', true],
    ['clock_timestamp()', true],
    ['CURRENT_TIMESTAMP', false],
    ['now()', false],
    [`md5('a')`, false],
    ['1 + 1', false],
    [`'{}'::jsonb`, false],
    [`timezone('utc', now())`, false],
  ])('default %s rewrites the table: %s', async (expression, expected) => {
    const made = 'CREATE TABLE t (id INTEGER)';
    const type = expression.includes('uuid') ? 'UUID' : 'TEXT';
    const then = `ALTER TABLE t ADD COLUMN c ${type} DEFAULT (${expression})`;
    expect(await rewrites(made, then)).toBe(expected);
    expect((await rulesFor(made, then)).includes('volatile-default')).toBe(expected);
  });

  it.each([
    ['c SERIAL', true],
    ['c INTEGER GENERATED ALWAYS AS IDENTITY', true],
    ['c INTEGER GENERATED ALWAYS AS (id * 2) STORED', true],
    ['c INTEGER NOT NULL DEFAULT 7', false],
  ])('column %s rewrites the table: %s', async (column, expected) => {
    const made = 'CREATE TABLE t (id INTEGER)';
    const then = `ALTER TABLE t ADD COLUMN ${column}`;
    expect(await rewrites(made, then)).toBe(expected);
    expect((await rulesFor(made, then)).includes('volatile-default')).toBe(expected);
  });

  /** How often PostgreSQL scans the complete table for a statement. */
  async function reads(made: string, then: string): Promise<number> {
    const scansOf = async (): Promise<number> => {
      const { rows } = await client.query<{ scans: number }>(
        `SELECT pg_stat_get_xact_numscans('t'::regclass)::int AS scans`,
      );
      return rows[0]?.scans ?? 0;
    };
    await client.query('BEGIN');
    try {
      await client.query(made);
      const before = await scansOf();
      await client.query(then);
      return (await scansOf()) - before;
    } finally {
      await client.query('ROLLBACK');
    }
  }

  it.each([
    ['CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0)', 'ADD COLUMN c positive', true],
    ['CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0)', 'ADD COLUMN c positive DEFAULT 7', true],
    [
      'CREATE DOMAIN positive AS INTEGER; ALTER DOMAIN positive ADD CHECK (VALUE > 0)',
      'ADD COLUMN c positive',
      true,
    ],
    ['CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0)', 'ADD COLUMN c positive[]', false],
    ['CREATE DOMAIN plain AS INTEGER', 'ADD COLUMN c plain DEFAULT 7', false],
  ])('%s; %s rewrites the table: %s', async (domain, alter, expected) => {
    const made = `${domain}; CREATE TABLE t (id INTEGER)`;
    expect(await rewrites(made, `ALTER TABLE t ${alter}`)).toBe(expected);
    expect(await rulesFor(made, `ALTER TABLE t ${alter}`)).toEqual(expected ? ['volatile-default'] : []);
  });

  it('a required column of a domain fails, and is a finding', async () => {
    const made = 'CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0); CREATE TABLE t (id INTEGER)';
    const then = 'ALTER TABLE t ADD COLUMN c positive NOT NULL';
    await expect(rewrites(made, then)).rejects.toThrow('column "c" of relation "t" contains null values');
    expect(await rulesFor(made, then)).toEqual(['required-column', 'volatile-default']);
  });

  it.each([
    ['c VARCHAR(10) CHECK (c <> $$x$$)', '', true],
    ['c VARCHAR(10), CONSTRAINT named CHECK (c <> $$x$$ AND id > 0)', '', true],
    ['c VARCHAR(10) CHECK (c <> $$x$$)', 'ALTER TABLE t DROP CONSTRAINT t_c_check', false],
    ['c VARCHAR(10)', 'ALTER TABLE t ADD CONSTRAINT late CHECK (c <> $$x$$) NOT VALID', false],
    [
      'c VARCHAR(10) CHECK (c <> $$x$$)',
      'ALTER TABLE t RENAME COLUMN c TO b; ALTER TABLE t ADD c VARCHAR(10)',
      false,
    ],
    ['c VARCHAR(10), CHECK (id > 0)', '', false],
    ['c VARCHAR(10) REFERENCES other (name)', '', false],
    ['c VARCHAR(10) UNIQUE', '', false],
  ])(
    'a type change without a rewrite, of (%s), then %s, reads the table: %s',
    async (column, after, expected) => {
      const made = `CREATE TABLE other (name VARCHAR(10) PRIMARY KEY); CREATE TABLE t (id INTEGER, ${column}); ${after}`;
      const then = 'ALTER TABLE t ALTER COLUMN c TYPE VARCHAR(20)';
      expect(await rewrites(made, then)).toBe(false);
      expect((await reads(made, then)) > 0).toBe(expected);
      expect(await rulesFor(made, then)).toEqual(expected ? ['column-type-change'] : []);
    },
  );

  it.each([
    ['id INTEGER', '', true],
    ['id INTEGER NOT NULL', '', false],
    ['id INTEGER', 'ALTER TABLE t ADD CONSTRAINT known CHECK (id IS NOT NULL)', false],
    ['id INTEGER', 'ALTER TABLE t ADD CONSTRAINT known CHECK (id IS NOT NULL) NOT VALID', true],
  ])('a primary key of an index, of (%s), then %s, reads the table: %s', async (column, after, expected) => {
    const made = `CREATE TABLE t (${column}); CREATE UNIQUE INDEX t_id ON t (id); ${after}`;
    const then = 'ALTER TABLE t ADD CONSTRAINT t_pk PRIMARY KEY USING INDEX t_id';
    expect((await reads(made, then)) > 0).toBe(expected);
    expect(await rulesFor(made, then)).toEqual(expected ? ['set-not-null'] : []);
  });

  it('a required column fails as the lint says, and the steps that it suggests apply and pass the lint', async () => {
    const made = `CREATE TABLE "t" (id INTEGER); INSERT INTO "t" VALUES (1), (2);`;
    const wrong = 'ALTER TABLE "t" ADD COLUMN "child_uuid" VARCHAR(64) NOT NULL UNIQUE;';
    await client.query(made);
    await expect(client.query(wrong)).rejects.toThrow(
      'column "child_uuid" of relation "t" contains null values',
    );
    const { findings } = await lintMigrations([
      { path: '1', content: made, isJudged: false },
      { path: '2', content: wrong },
    ]);
    const steps = findings.find(({ rule }) => rule === 'required-column')?.rewrite ?? '';
    expect(steps).toBe(`-- Migration 1: add it as nullable, and release an application version that writes it
SET lock_timeout = '5s';
ALTER TABLE "t" ADD COLUMN "child_uuid" VARCHAR(64);
-- Migration 2: fill the existing rows
UPDATE "t" SET "child_uuid" = gen_random_uuid()::text WHERE "child_uuid" IS NULL;
-- Migration 3: require it in new rows
SET lock_timeout = '5s';
ALTER TABLE "t" ADD CONSTRAINT "t_child_uuid_not_null" CHECK ("child_uuid" IS NOT NULL) NOT VALID;
-- Migration 4: reads the table under a lock that allows reads and writes
ALTER TABLE "t" VALIDATE CONSTRAINT "t_child_uuid_not_null";
-- Migration 5: require it; reads nothing, because of the check
SET lock_timeout = '5s';
ALTER TABLE "t" ALTER COLUMN "child_uuid" SET NOT NULL;
ALTER TABLE "t" DROP CONSTRAINT "t_child_uuid_not_null";
-- Migration 6: make it unique
CREATE UNIQUE INDEX CONCURRENTLY "t_child_uuid_key" ON "t"("child_uuid");`);
    const migrations = steps.split(/^-- Migration \d.*$/m).slice(1);
    expect(migrations).toHaveLength(6);
    for (const script of migrations) await client.query(script);
    expect((await client.query('SELECT count(DISTINCT child_uuid)::int AS n FROM t')).rows).toEqual([
      { n: 2 },
    ]);
    const again = await lintMigrations([
      { path: '1', content: made, isJudged: false },
      ...migrations.map((content, index) => ({ path: `${index + 2}`, content })),
    ]);
    expect(again.findings).toEqual([]);
    await client.query('DROP TABLE t');
  });

  it('statements that cannot run in a transaction fail in a file of several, as the lint says', async () => {
    await client.query('CREATE TABLE t (id INTEGER)');
    const file = `SET lock_timeout = '5s'; CREATE INDEX CONCURRENTLY "i" ON "t"("id");`;
    await expect(client.query(file)).rejects.toThrow(
      'CREATE INDEX CONCURRENTLY cannot run inside a transaction block',
    );
    const { findings } = await lintMigrations([{ path: 'x', content: file }], {
      engine: 'prisma-before-7.4',
    });
    expect(findings.map(({ rule, message }) => `${rule}: ${message}`)).toEqual([
      'concurrently-in-transaction: CREATE INDEX CONCURRENTLY cannot run inside a transaction, and Prisma before 7.4 sends the 2 statements of this file as one transaction: the migration fails.',
    ]);
    await client.query('CREATE INDEX CONCURRENTLY "i" ON "t"("id");');
    await client.query('DROP TABLE t');
  });

  it('a byte order mark is refused, as the lint says', async () => {
    await expect(client.query('\uFEFFSELECT 1')).rejects.toThrow('syntax error at or near "\uFEFFSELECT"');
  });

  it('an index, a foreign key and a check as the lint suggests them apply and pass', async () => {
    const made =
      'CREATE TABLE "a" ("id" INTEGER PRIMARY KEY, "b" INTEGER); CREATE TABLE "c" ("id" INTEGER PRIMARY KEY);';
    await client.query(made);
    const wrong = [
      'CREATE UNIQUE INDEX "a_b" ON "a"("b");',
      'ALTER TABLE "a" ADD CONSTRAINT "fk" FOREIGN KEY ("b") REFERENCES "c"("id") ON DELETE SET NULL ON UPDATE CASCADE;',
      'ALTER TABLE "a" ADD CONSTRAINT "ck" CHECK ("b" > (1 + 1));',
      'ALTER TABLE "a" ADD CONSTRAINT "u" UNIQUE ("b", "id");',
    ];
    for (const [index, sql] of wrong.entries()) {
      const { findings } = await lintMigrations([
        { path: '1', content: made, isJudged: false },
        { path: '2', content: `SET lock_timeout = '5s';\n${sql}` },
      ]);
      expect(findings).toHaveLength(1);
      const scripts = (findings[0]?.rewrite ?? '').split(/^-- .*$/m).filter((script) => script.trim() !== '');
      for (const script of scripts) await client.query(script);
      const again = await lintMigrations([
        { path: '1', content: made, isJudged: false },
        ...scripts.map((content, number) => ({ path: `${index}.${number}`, content })),
      ]);
      expect(again.findings).toEqual([]);
    }
    await client.query('DROP TABLE "a", "c"');
  });

  it.each([
    [`ALTER TABLE t ALTER COLUMN s SET DEFAULT 'gone'`, 'error'],
    [`UPDATE t SET s = 'gone' WHERE id = 1`, 'error'],
    [`INSERT INTO t (id, s) VALUES (3, 'gone'::state)`, 'error'],
    [`INSERT INTO t (id, s) VALUES (3, 'gone')`, 'error'],
    [`INSERT INTO t VALUES (3, 'gone')`, 'warning'],
    [`CREATE INDEX CONCURRENTLY i ON other (id) WHERE s = 'gone'`, 'warning'],
    [`CREATE VIEW v AS SELECT * FROM t WHERE s = 'gone'`, 'error'],
    [`DO $$ BEGIN UPDATE t SET s = 'gone' WHERE id = 1; END $$`, 'error'],
    [`UPDATE t SET s = 'old' WHERE id = 1`, undefined],
    [`ALTER TYPE state RENAME VALUE 'old' TO 'former'; UPDATE t SET s = 'former' WHERE id = 1`, undefined],
  ])('a new value of an enum, used by the same file: %s', async (then, severity) => {
    const made = `CREATE TYPE state AS ENUM ('old'); CREATE TABLE t (id INTEGER, s state); CREATE TABLE other (id INTEGER, s state)`;
    const added = `ALTER TYPE state ADD VALUE 'gone'`;
    const { findings } = await lintMigrations(
      [
        { path: '1', content: made, isJudged: false },
        { path: '2', content: `SET lock_timeout = '5s'; ${added}; ${then}` },
      ],
      { engine: 'prisma-before-7.4' },
    );
    const found = findings.filter(({ rule }) => rule === 'enum-value-in-use');
    expect(found.map((finding) => finding.severity)).toEqual(severity === undefined ? [] : [severity]);
    await client.query(made);
    await client.query('INSERT INTO t (id) VALUES (1)');
    try {
      const inOneQuery = client.query(`${added}; ${then.replace(' CONCURRENTLY', '')}`);
      const code = await inOneQuery.then(
        () => undefined,
        (error: unknown) => errorCode(error),
      );
      expect(code).toBe(severity === undefined ? undefined : '55P04');
    } finally {
      await client.query('DROP TABLE t, other CASCADE; DROP TYPE state');
    }
  });

  it.each([
    ['ALTER DOMAIN email ADD CHECK (VALUE <> $$$$)', true],
    ['ALTER DOMAIN email SET NOT NULL', true],
    ['ALTER DOMAIN email ADD CONSTRAINT c CHECK (VALUE <> $$$$) NOT VALID', false],
    ['ALTER DOMAIN email DROP NOT NULL', false],
    ['ALTER DOMAIN email SET DEFAULT $$x$$', false],
  ])('statements that lock the tables of a domain: %s', async (then, locks) => {
    const made = 'CREATE DOMAIN email AS TEXT; CREATE TABLE t (id INTEGER, c email)';
    expect(await rulesFor(made, then)).toEqual(locks ? ['domain-check-without-not-valid'] : []);
    await client.query(made);
    await client.query('BEGIN');
    await client.query(then);
    const { rows } = await client.query(
      `SELECT mode FROM pg_locks WHERE relation = 't'::regclass AND mode = 'ShareLock'`,
    );
    await client.query('ROLLBACK; DROP TABLE t; DROP DOMAIN email');
    expect(rows.length > 0).toBe(locks);
  });
});
