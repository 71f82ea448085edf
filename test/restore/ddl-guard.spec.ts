import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { withoutGuard } from '../../src/restore/archive/dump-filters.js';
import { backupDirectory, stockDump, withBackups } from '../support/backups.js';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(90_000);

const LEFT_OUT =
  'the DDL guard was not restored (it never is): in production, run `pgkeep install --ddl-guard`';

describe('backups of a database with the DDL guard', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    await query(own.cluster.url('postgres'), `CREATE ROLE app LOGIN PASSWORD 'pw' CREATEDB`);
  });
  afterAll(() => own.cluster.destroy());

  /** A guarded production database whose owner is no superuser. @returns the superuser's URL. */
  async function guarded(name: string): Promise<string> {
    const url = await createClinic(own, name, { seeded: true });
    await query(
      url,
      `ALTER DATABASE "${name}" OWNER TO app; ALTER SCHEMA public OWNER TO app;
       GRANT EXECUTE ON FUNCTION pg_control_system() TO app;
       DO $$ DECLARE t regclass; BEGIN
         FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
           EXECUTE format('ALTER TABLE %s OWNER TO app', t);
         END LOOP;
         FOR t IN SELECT oid FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype = 'e' LOOP
           EXECUTE format('ALTER TYPE %s OWNER TO app', t::oid::regtype);
         END LOOP;
         ALTER FUNCTION who_growth_standards_refuse_change() OWNER TO app;
       END $$`,
    );
    const app = { DATABASE_URL: changedUrl(url, { username: 'app', password: 'pw' }) };
    expect((await runCli(['install'], app)).code).toBe(0);
    expect((await runCli(['stamp', 'production'], app)).code).toBe(0);
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    return url;
  }

  it.each(['custom', 'plain'])('a %s backup is made, tested and restored by the owner', async (format) => {
    const database = `clinic_${format}`;
    const url = await guarded(database);
    const app = changedUrl(url, { username: 'app', password: 'pw' });
    const environment = {
      NODE_ENV: 'production',
      DATABASE_URL: app,
      BACKUP_DIR: backupDirectory(),
      BACKUP_FORMAT: format,
      MIGRATIONS_DIR: CLINIC_MIGRATIONS,
      PATH: process.env['PATH'],
    };
    const { name } = await withBackups(environment, (backups) => backups.create());
    for (const test of [{}, { TEST_DATABASE_URL: app.replace(database, 'postgres') }]) {
      const tested = await runCli(['restore', 'test', '--json'], { ...environment, ...test });
      expect(tested).toMatchObject({ code: 0 });
      expect(JSON.parse(tested.stdout).notes).toContain(LEFT_OUT);
    }
    const consent = ['--confirm', 'RESTORE_PRODUCTION', '--target', database];
    const { code, stdout, stderr } = await runCli(['restore', name, ...consent], environment);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain(LEFT_OUT);
    const { rows } = await query(
      url,
      `SELECT to_regnamespace('pgkeep_guard') IS NULL AS gone,
              (SELECT count(*)::int FROM pg_trigger WHERE tgname LIKE 'pgkeep%') AS triggers`,
    );
    expect(rows).toEqual([{ gone: true, triggers: 0 }]);
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    await expect(query(url, 'TRUNCATE children CASCADE')).rejects.toMatchObject({ code: 'PK003' });
  });

  it('single tables can be restored', async () => {
    const url = await guarded('picked');
    const app = changedUrl(url, { username: 'app', password: 'pw' });
    const environment = { NODE_ENV: 'production', DATABASE_URL: app, BACKUP_DIR: backupDirectory() };
    const { name } = await withBackups(environment, (backups) => backups.create());
    const picked = await runCli(['restore', name, '--tables', 'villages', '--into', 'some'], environment);
    expect(picked).toMatchObject({ code: 0 });
    const { rows } = await query(own.cluster.url('some'), 'SELECT count(*)::int AS count FROM villages');
    expect(rows).toEqual([{ count: 24 }]);
  });

  it('removes only the guard from a plain dump, whatever the chunks', async () => {
    const url = await createDatabase(own, 'awkward');
    await query(url, readFileSync(path.resolve('test/support/awkward.sql'), 'utf8'));
    await query(
      url,
      `CREATE TABLE "-- Name: pgkeep_guard; Type: SCHEMA;" (t text);
       INSERT INTO "-- Name: pgkeep_guard; Type: SCHEMA;" VALUES ('--'), ('-- Name: pgkeep_guard; Type: SCHEMA;'), ('--')`,
    );
    const before = stockDump(url).toString();
    expect((await runCli(['install'], { DATABASE_URL: url })).code).toBe(0);
    expect((await runCli(['stamp', 'production'], { DATABASE_URL: url })).code).toBe(0);
    const installed = stockDump(url).toString();
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    const dump = stockDump(url);
    for (const size of [997, 1 << 16]) {
      let found = 0;
      const chunks = Array.from({ length: Math.ceil(dump.length / size) }, (_none, index) =>
        dump.subarray(index * size, (index + 1) * size),
      );
      const left = await text(Readable.from(withoutGuard(Readable.from(chunks), () => (found += 1))));
      expect(found).toBe(1);
      expect(comparable(left)).toEqual(comparable(installed));
    }
    const untouched = await text(
      Readable.from(withoutGuard(Readable.from([Buffer.from(before)]), () => expect('found').toBe('not'))),
    );
    expect(untouched).toBe(before);
  });
});

/** A dump without the parts that vary: tokens, the audit log, and comments in place of omitted entries. */
function comparable(dump: string): string[] {
  return dump
    .split('\n')
    .filter((line) => !/^(?:\\(?:un)?restrict |--$|$)/.test(line) && !line.includes('ddl-guard'));
}
