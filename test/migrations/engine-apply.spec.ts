import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Client } from 'pg';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyMigrations } from '../../src/migrations/engine/apply-migrations.js';
import { SchemaEngineError } from '../../src/migrations/engine/schema-engine-error.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { createDatabase, PrismaApplication, query } from './engine-application.js';

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
      database: { ...parseDatabaseUrl(at), schema },
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

  it('applies what is pending in the order of the names, and tells the names', async () => {
    application.addMigration('2_second', 'ALTER TABLE first ADD COLUMN b integer;');
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    expect(await apply()).toEqual(['1_first', '2_second']);
    application.addMigration('3_third', 'DROP TABLE first;');
    expect(await apply()).toEqual(['3_third']);
    expect(await apply()).toEqual([]);
  });

  it('sends a script whole: function bodies keep their semicolons', async () => {
    application.addMigration('1_counter', COUNTER);
    await apply();
    expect(await query(url, 'SELECT value FROM counter')).toEqual([{ value: 0 }]);
    expect(
      await query(url, "SELECT prosrc LIKE '%another;%' AS whole FROM pg_proc WHERE proname = 'count_up'"),
    ).toEqual([{ whole: true }]);
  });

  it('sends statement by statement what cannot be one transaction, as the native engine does', async () => {
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

  it('one that commits by itself is not sent again', async () => {
    application.addMigration(
      '1_first',
      'CREATE TABLE t (n integer);\nINSERT INTO t VALUES (1);\nCOMMIT;\nSELECT 1;\nVACUUM t;',
    );
    expect((await failure()).sqlState).toBe('25001');
    expect(await query(url, 'SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('works in the PostgreSQL schema it is given, making it where it is missing', async () => {
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

  it('rolls a failing script back, and says which, why and where', async () => {
    application.addMigration('1_good', 'CREATE TABLE good (a integer);');
    application.addMigration(
      '2_bad',
      'CREATE TABLE half (a integer);\n\nALTER TABLE missing ADD COLUMN "💥" text;',
    );
    expect(await failure()).toMatchObject({
      code: 'MIGRATION_FAILED',
      prismaCode: 'P3018',
      migration: '2_bad',
      sqlState: '42P01',
      databaseMessage: 'relation "missing" does not exist',
      hint: expect.stringContaining('npx pgkeep migrate resolve') as unknown,
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

  it('refuses to go on after a failed migration', async () => {
    application.addMigration('1_bad', 'SELECT 1 / 0;');
    expect(await failure()).toMatchObject({ prismaCode: 'P3018', sqlState: '22012' });
    expect(await failure()).toMatchObject({
      code: 'MIGRATION_FAILED',
      prismaCode: 'P3009',
      migration: '1_bad',
    });
  });

  it('refuses a schema that holds tables which no migration made', async () => {
    await query(url, 'CREATE TABLE somebody_elses (a integer)');
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    expect(await failure()).toMatchObject({
      prismaCode: 'P3005',
      hint: expect.stringContaining('--applied') as unknown,
    });
  });

  it('leaves the session as soon as another run holds the lock too long', async () => {
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    const other = new Client(url);
    await other.connect();
    await other.query('SELECT pg_advisory_lock(72707369)');
    try {
      expect(await failure()).toMatchObject({ code: 'DATABASE_TIMEOUT', prismaCode: 'P1002' });
    } finally {
      await other.end();
    }
    expect(await apply()).toEqual(['1_first']);
  });

  it('runs that meet apply every migration once', async () => {
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

  describe('a connection', () => {
    it('with a wrong password says so, and never the password', async () => {
      const error = await failure(url.replace(own.cluster.password, 'wrong-secret'));
      expect(error).toMatchObject({ prismaCode: 'P1000', sqlState: '28P01' });
      expect(JSON.stringify([error, error.message, error.stack, error.hint])).not.toContain('wrong-secret');
    });

    it('to a server that is not there names the server', async () => {
      const error = await failure('postgresql://somebody:secret@127.0.0.1:9/nothing');
      expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE', prismaCode: 'P1001' });
      expect(error.message).toContain('`127.0.0.1:9`');
    });

    it('to a database that is not there names the database', async () => {
      expect(await failure(own.cluster.url('nowhere'))).toMatchObject({
        prismaCode: 'P1003',
        message: 'Database `nowhere` does not exist',
      });
    });

    it('over TLS verifies the server where the URL asks for it', async () => {
      application.addMigration('1_first', 'CREATE TABLE first (a integer);');
      const root = encodeURIComponent(own.rootCertificateFile);
      expect(await apply(`${url}?sslmode=verify-full&sslrootcert=${root}`)).toEqual(['1_first']);
    });

    it('of a role that may not make tables keeps what PostgreSQL said', async () => {
      await query(url, `CREATE ROLE guest_${databases} LOGIN PASSWORD 'guest'`);
      const guest = url.replace(/\/\/.*@/, `//guest_${databases}:guest@`);
      expect(await failure(guest)).toMatchObject({
        code: 'DATABASE_PERMISSION_DENIED',
        sqlState: '42501',
        message: 'ERROR: permission denied for schema public',
      });
      await expect(apply(guest, 'own')).rejects.toMatchObject({
        code: 'DATABASE_PERMISSION_DENIED',
        databaseMessage: `permission denied for database apply_${databases}`,
      });
    });
  });
});
