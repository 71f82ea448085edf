import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';
import {
  BRIDGE,
  CHILDREN,
  createDatabase,
  PrismaApplication,
  query,
  shadowDatabases,
} from '../../../test/migrations/engine-application.js';

/** One application with the real Prisma CLI and no native engine: each step builds on the previous one. */
describe('Prisma’s CLI with this schema engine', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    // Not made yet: `migrate dev` does that.
    url = own.cluster.url('application');
    application = new PrismaApplication(url, BRIDGE);
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });

  const migrationNames = () =>
    readdirSync(application.migrations).filter((name) => name !== 'migration_lock.toml');

  it('migrate dev creates the database, writes a migration and applies it', async () => {
    const { output, exitCode } = await application.prisma('migrate dev --name init');
    expect(output).toContain('PostgreSQL database application created');
    expect(output).toContain('Your database is now in sync with your schema.');
    expect(exitCode).toBe(0);
    expect(migrationNames()).toEqual([expect.stringMatching(/^\d{14}_init$/)]);
    expect(await query(url, 'SELECT name FROM "Child"')).toEqual([]);
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('migrate dev --create-only replays the history elsewhere and leaves the database as it is', async () => {
    application.writeSchema(CHILDREN.replace('name String', 'name String\n  born DateTime?'));
    const { output, exitCode } = await application.prisma('migrate dev --create-only --name born');
    expect(output).toContain('created the following migration without applying it');
    expect(exitCode).toBe(0);
    const [, born = ''] = migrationNames();
    const script = readFileSync(path.join(application.migrations, born, 'migration.sql'), 'utf8');
    expect(script).toContain('ALTER TABLE "Child" ADD COLUMN     "born" TIMESTAMP(3)');
    expect(await query(url, 'SELECT * FROM "Child"')).toEqual([]);
    await expect(query(url, 'SELECT born FROM "Child"')).rejects.toThrow('"born" does not exist');
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('migrate status reports what is pending, also by its exit code', async () => {
    const { output, exitCode } = await application.prisma('migrate status');
    expect(output).toMatch(/have not yet been applied:\n\d{14}_born\n/);
    expect(exitCode).toBe(1);
  });

  it('migrate deploy applies it', async () => {
    const { output, exitCode } = await application.prisma('migrate deploy');
    expect(output).toContain('All migrations have been successfully applied.');
    expect(exitCode).toBe(0);
    expect(await query(url, 'SELECT born FROM "Child"')).toEqual([]);
    expect((await application.prisma('migrate status')).output).toContain('Database schema is up to date!');
    expect((await application.prisma('migrate deploy')).output).toContain('No pending migrations to apply.');
  });

  it('migrate dev applies what is pending, then writes a migration of what the schema adds to it', async () => {
    application.addMigration('29990101000000_pending', 'ALTER TABLE "Child" ADD COLUMN "height" integer;');
    application.writeSchema(
      CHILDREN.replace('name String', 'name String\n  born DateTime?\n  height Int?\n  weight Int?'),
    );
    const { output, exitCode } = await application.prisma('migrate dev --name weight');
    expect(output).toContain('29990101000000_pending/');
    expect(output).toMatch(/created and applied from new schema changes:\n\n.*\n.*\d{14}_weight/);
    expect(exitCode).toBe(0);
    expect(await query(url, 'SELECT height, weight FROM "Child"')).toEqual([]);
    expect((await application.prisma('migrate dev')).output).toContain('Already in sync');
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('db execute runs a script unsplit', async () => {
    application.write(
      'touch.sql',
      'CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.born := now(); RETURN NEW; END $$;',
    );
    const { output, exitCode } = await application.prisma('db execute --file touch.sql');
    expect(output).toContain('Script executed successfully.');
    expect(exitCode).toBe(0);
    expect(await query(url, "SELECT proname FROM pg_proc WHERE proname = 'touch'")).toHaveLength(1);
  });

  it('db execute says where a script has an error', async () => {
    application.write('wrong.sql', 'SELECT 1;\nSELEKT 2;\n');
    const { output, exitCode } = await application.prisma('db execute --file wrong.sql');
    expect(output).toContain(
      'ERROR: syntax error at or near "SELEKT"\n\nPosition:\n  1 SELECT 1;\n  2 SELEKT 2;',
    );
    expect(exitCode).toBe(1);
  });

  it('migrate diff compares the history, the database and files', async () => {
    await query(url, 'CREATE TABLE drifted (a integer PRIMARY KEY, b integer REFERENCES drifted)');
    const history = '--from-migrations prisma/migrations';
    const drift = await application.prisma(
      `migrate diff ${history} --to-config-datasource --script --exit-code`,
    );
    expect(drift.output).toContain('CREATE TABLE "public"."drifted"');
    expect(drift.exitCode).toBe(2);
    const files = await application.prisma(
      `migrate diff ${history} --to-schema prisma/schema.prisma --exit-code`,
    );
    expect(files.output).toContain('No difference detected.');
    expect(files.exitCode).toBe(0);
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('migrate diff needs no database to compare files', async () => {
    const { output, exitCode } = await application.prisma(
      'migrate diff --from-empty --to-schema prisma/schema.prisma --script',
      { DATABASE_URL: undefined },
    );
    expect(output).toContain('CREATE TABLE "Child"');
    expect(exitCode).toBe(0);
  });

  it('db pull describes the database', async () => {
    const { output, exitCode } = await application.prisma('db pull --print');
    expect(output).toMatch(/model drifted \{\n {2}a +Int +@id\n/);
    expect(exitCode).toBe(0);
  });

  it('db push changes the database to match the schema', async () => {
    await query(url, 'INSERT INTO drifted VALUES (1)');
    const refused = await application.prisma('db push');
    expect(refused.output).toContain(
      'You are about to drop the `drifted` table, which is not empty (1 rows)',
    );
    expect(refused.exitCode).toBe(1);
    const { output, exitCode } = await application.prisma('db push --accept-data-loss');
    expect(output).toContain('Your database is now in sync with your Prisma schema.');
    expect(exitCode).toBe(0);
    expect(await query(url, "SELECT to_regclass('drifted') AS drifted")).toEqual([{ drifted: null }]);
  });

  it('migrate deploy reports a script that fails (P3018), then refuses to continue (P3009)', async () => {
    application.addMigration(
      '90000000000000_bad',
      'CREATE TABLE half (a integer);\nALTER TABLE missing ADD b text;\n',
    );
    const failed = await application.prisma('migrate deploy');
    expect(failed.output).toContain(
      'Error: P3018\n\nA migration failed to apply. New migrations cannot be applied before the error is recovered ' +
        'from. Read more about how to resolve migration issues in a production database: ' +
        'https://pris.ly/d/migrate-resolve\n\nMigration name: 90000000000000_bad\n\nDatabase error code: 42P01\n\n' +
        'Database error:\nERROR: relation "missing" does not exist\n',
    );
    expect(failed.exitCode).toBe(1);
    const refused = await application.prisma('migrate deploy');
    expect(refused.output).toMatch(
      /Error: P3009\n\n.*\nThe `90000000000000_bad` migration started at .* failed/,
    );
    expect(refused.exitCode).toBe(1);
    expect((await application.prisma('migrate status')).output).toContain(
      'Following migration have failed:\n90000000000000_bad',
    );
  });

  it('migrate dev reports a history that cannot be replayed (P3006)', async () => {
    const { output, exitCode } = await application.prisma('migrate dev');
    expect(output).toContain(
      'Error: P3006\n\nMigration `90000000000000_bad` failed to apply cleanly to the shadow database. \n' +
        'Error code: 42P01\nError:\nERROR: relation "missing" does not exist',
    );
    expect(exitCode).toBe(1);
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('migrate resolve marks it', async () => {
    const rolledBack = await application.prisma('migrate resolve --rolled-back 90000000000000_bad');
    expect(rolledBack.output).toContain('Migration 90000000000000_bad marked as rolled back.');
    const applied = await application.prisma('migrate resolve --applied 90000000000000_bad');
    expect(applied.output).toContain('Migration 90000000000000_bad marked as applied.');
    const again = await application.prisma('migrate resolve --applied 90000000000000_bad');
    expect(again.output).toContain('P3008');
    expect([rolledBack.exitCode, applied.exitCode, again.exitCode]).toEqual([0, 0, 1]);
  });

  it('migrate reset applies the history again', async () => {
    rmSync(path.join(application.migrations, '90000000000000_bad'), { recursive: true });
    await query(url, 'CREATE TABLE gone_after_a_reset (a integer)');
    const { output, exitCode } = await application.prisma('migrate reset --force');
    expect(output).toContain('Database reset successful');
    expect(exitCode).toBe(0);
    expect(await query(url, "SELECT to_regclass('gone_after_a_reset') AS gone")).toEqual([{ gone: null }]);
    expect(await query(url, 'SELECT 1 FROM _prisma_migrations')).toHaveLength(4);
  });

  it('generate, validate and format need no database', async () => {
    for (const command of ['generate', 'validate', 'format']) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other: they write to one directory
      const { output, exitCode } = await application.prisma(command, { DATABASE_URL: undefined });
      expect({ command, output, exitCode }).toMatchObject({ exitCode: 0 });
    }
    expect(existsSync(path.join(application.directory, 'prisma/generated/client.ts'))).toBe(true);
  });

  it('generate --sql reports that TypedSQL is not supported', async () => {
    application.writeSchema(CHILDREN, 'previewFeatures = ["typedSql"]');
    mkdirSync(path.join(application.directory, 'prisma/sql'));
    application.write('prisma/sql/one.sql', 'SELECT 1 AS one');
    const { output, exitCode } = await application.prisma('generate --sql');
    expect(output).toContain('TypedSQL is not supported by the WebAssembly build');
    expect(exitCode).toBe(1);
  });
});

describe('Prisma’s CLI with this schema engine fails with', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'errors');
    application = new PrismaApplication(url, BRIDGE);
    application.addMigration('1_first', 'CREATE TABLE first (a integer);');
    await createDatabase(own.cluster, 'closed');
    await query(
      url,
      "CREATE ROLE modest LOGIN PASSWORD 'modest'; REVOKE CONNECT ON DATABASE closed FROM PUBLIC",
    );
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });

  const modest = (database: string) => own.cluster.url(database).replace(/\/\/.*@/, '//modest:modest@');

  it.each([
    [
      'P1000, a wrong password',
      'P1000: Authentication failed',
      () => url.replace(own.cluster.password, 'wrong'),
    ],
    [
      'P1001, a server that does not exist',
      'P1001: Can’t reach database server at `127.0.0.1:9`'.replace('’', "'"),
      () => 'postgresql://a:b@127.0.0.1:9/c',
    ],
    [
      'P1003, a database that does not exist',
      'P1003: Database `nowhere` does not exist',
      () => own.cluster.url('nowhere'),
    ],
    [
      'P1010, a database that the role may not use',
      'P1010: User was denied access on the database `closed`',
      () => modest('closed'),
    ],
    [
      'P1011, a certificate of an unknown authority',
      'P1011: Error opening a TLS connection: self-signed certificate in certificate chain',
      () => `${url}?sslmode=verify-full&sslrootcert=system`,
    ],
    [
      'P1013, an sslmode that does not exist',
      'P1013: The provided database string is invalid',
      () => `${url}?sslmode=x`,
    ],
  ])('%s', async (_, message, target) => {
    const { output, exitCode } = await application.prisma('migrate status', { DATABASE_URL: target() });
    expect(output).toContain(message);
    expect(exitCode).toBe(1);
  });

  it('P3014, a role that may not create the shadow database', async () => {
    const { output, exitCode } = await application.prisma(
      'migrate diff --from-migrations prisma/migrations --to-schema prisma/schema.prisma',
      { DATABASE_URL: modest('errors') },
    );
    expect(output).toMatch(/Error: P3014\n\nPrisma Migrate could not create the shadow database.*/);
    expect(output).toContain('ERROR: permission denied to create database');
    expect(exitCode).toBe(1);
  });

  it('P3005, a schema with tables that no migration created', async () => {
    await query(url, 'CREATE TABLE somebody_elses (a integer)');
    const { output, exitCode } = await application.prisma('migrate deploy');
    expect(output).toContain('Error: P3005\n\nThe database schema is not empty.');
    expect(exitCode).toBe(1);
  });

  it('a trap inside the engine, which is an answer and not a hang', async () => {
    const { output, exitCode } = await application.prisma('migrate deploy', {
      FORCE_PANIC_SCHEMA_ENGINE: '1',
    });
    expect(output).toMatch(/Prisma's schema engine \(WebAssembly\) stopped unexpectedly: panicked at/);
    expect(exitCode).toBe(1);
  });
});
