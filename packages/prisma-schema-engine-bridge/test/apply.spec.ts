import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { applyMigrations } from '../src/apply-migrations.js';
import { SchemaEngineError } from '../src/errors.js';
import { nodePostgresDatabase } from '../src/node-postgres.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';
import { until } from '../../../test/support/until.js';
import { createDatabase, PrismaApplication, query } from '../../../test/migrations/engine-application.js';

const COUNTER = `
CREATE TABLE counter (value integer NOT NULL DEFAULT 0);
CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE counter SET value = value + 1; -- a semicolon; and another;
  RETURN NEW;
END $$;
DO $body$ BEGIN INSERT INTO counter DEFAULT VALUES; END $body$;`;

describe('applying migrations in process', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });
  beforeEach(async () => {
    databases += 1;
    url = await createDatabase(own.cluster, `apply_${databases}`);
    application = new PrismaApplication(url);
  });
  afterEach(() => {
    application.remove();
  });

  const apply = async (at = url, schema = 'public') =>
    await applyMigrations({
      database: { ...nodePostgresDatabase(at), schema },
      directory: application.migrations,
    });

  const failure = async (at = url): Promise<SchemaEngineError> => {
    try {
      await apply(at);
    } catch (thrown) {
      if (thrown instanceof SchemaEngineError) return thrown;
      throw thrown;
    }
    throw new Error('it did not fail');
  };

  it('applies pending migrations in the order of their names, and returns the names', async () => {
    application.addMigration('2_second', 'ALTER TABLE first ADD COLUMN b integer;');
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    expect(await apply()).toEqual(['1_first', '2_second']);
    application.addMigration('3_third', 'DROP TABLE first;');
    expect(await apply()).toEqual(['3_third']);
    expect(await apply()).toEqual([]);
  });

  it('sends a script unsplit: function bodies keep their semicolons', async () => {
    application.addMigration('1_counter', COUNTER);
    await apply();
    expect(await query(url, 'SELECT value FROM counter')).toEqual([{ value: 0 }]);
    expect(
      await query(url, "SELECT prosrc LIKE '%another;%' AS complete FROM pg_proc WHERE proname = 'count_up'"),
    ).toEqual([{ complete: true }]);
  });

  it('sends a script that cannot run in one transaction statement by statement, as the native engine does', async () => {
    application.addMigration('1_first', `CREATE TYPE e AS ENUM ('a');\nCREATE TABLE t (v e, n integer);`);
    application.addMigration(
      '2_second',
      `ALTER TYPE e ADD VALUE 'b';
INSERT INTO t VALUES ('b', 1);
CREATE INDEX CONCURRENTLY t_v ON t (v); -- é;
CREATE INDEX CONCURRENTLY t_n ON t (n);`,
    );
    expect(await apply()).toEqual(['1_first', '2_second']);
    expect(await query(url, 'SELECT v, n FROM t')).toEqual([{ v: 'b', n: 1 }]);
    application.addMigration('3_third', 'DROP INDEX CONCURRENTLY t_n;\n-- é\nINSERT INTO t (x) VALUES (1);');
    expect((await failure()).message).toContain(
      `Migration name: 3_third

Database error code: 42703

Database error:
ERROR: column "x" of relation "t" does not exist

Position:
  1 DROP INDEX CONCURRENTLY t_n;
  2 -- é
  3 INSERT INTO t (x) VALUES (1);
`,
    );
    expect(await query(url, `SELECT to_regclass('t_n') AS index`)).toEqual([{ index: null }]);
  });

  it('does not resend a script that commits by itself', async () => {
    application.addMigration(
      '1_first',
      'CREATE TABLE t (n integer);\nINSERT INTO t VALUES (1);\nCOMMIT;\nSELECT 1;\nVACUUM t;',
    );
    expect((await failure()).sqlState).toBe('25001');
    expect(await query(url, 'SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('works in the PostgreSQL schema of the database, and creates it where it is missing', async () => {
    application.addMigration('1_records', 'CREATE TABLE records (a integer);');
    await apply(url, 'Pg Keep');
    const tables = await query(
      url,
      `SELECT table_schema, table_name FROM information_schema.tables
        WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY table_name`,
    );
    expect(tables).toEqual([
      { table_schema: 'Pg Keep', table_name: '_prisma_migrations' },
      { table_schema: 'Pg Keep', table_name: 'records' },
    ]);
  });

  it('rolls a failed script back, and reports which, why and where', async () => {
    application.addMigration('1_good', 'CREATE TABLE good (a integer);');
    application.addMigration(
      '2_bad',
      'CREATE TABLE half (a integer);\n\nALTER TABLE missing ADD COLUMN "💥" text;',
    );
    expect(await failure()).toMatchObject({
      prismaCode: 'P3018',
      migration: '2_bad',
      sqlState: '42P01',
      databaseMessage: 'relation "missing" does not exist',
    });
    expect(await query(url, `SELECT to_regclass('half') AS half, to_regclass('good')::text AS good`)).toEqual(
      [{ half: null, good: 'good' }],
    );
    const [row] = await query<{ logs: string }>(
      url,
      `SELECT logs FROM _prisma_migrations WHERE migration_name = '2_bad' AND finished_at IS NULL`,
    );
    expect(row?.logs).toMatch(/relation "missing" does not exist\n\nDatabase error code: 42P01/);
  });

  it('shows the line of a syntax error, counting characters as PostgreSQL does', async () => {
    application.addMigration('1_typo', '-- 💥💥💥\nSELECT 1;\nCREATE TABEL typo ();\nSELECT 2;\n');
    const { message } = await failure();
    expect(message).toContain(
      'ERROR: syntax error at or near "TABEL"\n\nPosition:\n  1 -- 💥💥💥\n  2 SELECT 1;\n  3 CREATE TABEL typo ();\n',
    );
  });

  it('refuses to continue after a failed migration', async () => {
    application.addMigration('1_bad', 'SELECT 1 / 0;');
    expect(await failure()).toMatchObject({ prismaCode: 'P3018', sqlState: '22012' });
    expect(await failure()).toMatchObject({ prismaCode: 'P3009', migration: '1_bad' });
  });

  it('refuses a schema with tables that no migration created', async () => {
    await query(url, 'CREATE TABLE somebody_elses (a integer)');
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    expect(await failure()).toMatchObject({ prismaCode: 'P3005' });
  });

  it('closes its session when another run holds the lock too long', async () => {
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const other = new Client(url);
    await other.connect();
    await other.query('SELECT pg_advisory_lock(72707369)');
    try {
      expect(await failure()).toMatchObject({ prismaCode: 'P1002' });
    } finally {
      await other.end();
    }
    expect(await apply()).toEqual(['1_first']);
  });

  it('applies every migration once when runs are concurrent', async () => {
    application.addMigration('1_first', 'CREATE TABLE first (a integer); SELECT pg_sleep(0.3);');
    application.addMigration('2_second', 'CREATE TABLE second (a integer);');
    const applied = await Promise.all([apply(), apply(), apply()]);
    expect(applied.flat()).toEqual(['1_first', '2_second']);
  });

  describe('a directory', () => {
    it('that is empty has nothing to apply', async () => {
      expect(await apply()).toEqual([]);
    });

    it('that is missing is an error', async () => {
      rmSync(application.migrations, { recursive: true });
      await expect(apply()).rejects.toThrow('ENOENT');
    });

    it('without a lock file is accepted', async () => {
      rmSync(path.join(application.migrations, 'migration_lock.toml'));
      application.addMigration('1_first', 'CREATE TABLE first (a integer);');
      expect(await apply()).toEqual(['1_first']);
    });

    it('of another kind of database is refused', async () => {
      application.write('prisma/migrations/migration_lock.toml', 'provider = "mysql"\n');
      expect(await failure()).toMatchObject({
        prismaCode: 'P3019',
        message: expect.stringContaining('mysql') as unknown,
      });
    });

    it('with a migration that has no script is refused when that one is next', async () => {
      mkdirSync(path.join(application.migrations, '2_empty'));
      application.addMigration('1_first', 'CREATE TABLE first (a integer);');
      expect(await failure()).toMatchObject({ prismaCode: 'P3015' });
      expect(await query(url, 'SELECT migration_name FROM _prisma_migrations')).toEqual([
        { migration_name: '1_first' },
      ]);
    });
  });

  it('keeps PostgreSQL’s message to a role that may not create tables', async () => {
    await query(url, `CREATE ROLE guest_${databases} LOGIN PASSWORD 'guest'`);
    const guest = url.replace(/\/\/.*@/, `//guest_${databases}:guest@`);
    expect(await failure(guest)).toMatchObject({
      sqlState: '42501',
      message: 'ERROR: permission denied for schema public',
    });
    await expect(apply(guest, 'own')).rejects.toMatchObject({
      sqlState: '42501',
      databaseMessage: `permission denied for database apply_${databases}`,
    });
  });

  it('cancels the running statement when the signal is aborted, and records the migration as failed', async () => {
    application.addMigration('1_slow', 'CREATE TABLE half (a integer); SELECT pg_sleep(60);');
    const stop = new AbortController();
    const applying = applyMigrations({
      database: nodePostgresDatabase(url),
      directory: application.migrations,
      signal: stop.signal,
    });
    const ended = applying.catch((thrown: unknown) => thrown);
    const isSleeping =
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'";
    await until(async () => (await query(url, `${isSleeping} AND pid <> pg_backend_pid()`)).length > 0);
    stop.abort();
    expect(await ended).toMatchObject({ prismaCode: 'P3018', sqlState: '57014' });
    expect(await query(url, `SELECT to_regclass('half') AS half`)).toEqual([{ half: null }]);
  });
});
