import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { CHILDREN, PrismaApplication } from '../migrations/engine-application.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { evaluate } from '../support/evaluate.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

jest.setTimeout(90_000);

const HINT =
  'Put it into a migration and run pgkeep migrate deploy. In an emergency a superuser can switch the guard off: ALTER EVENT TRIGGER pgkeep_ddl_guard DISABLE; /ready reports it until ENABLE ALWAYS.';

/** The result of SQL: `done`, or the server's error. */
async function outcome(url: string, sql: string): Promise<string> {
  try {
    await query(url, sql);
    return 'done';
  } catch (error) {
    return error instanceof Object && 'message' in error ? String(error.message) : String(error);
  }
}

describe('the DDL guard', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: { wal_level: 'logical' } });
    await query(own.cluster.url('postgres'), `CREATE ROLE app LOGIN PASSWORD 'pw' CREATEDB`);
  });
  afterAll(() => own.cluster.destroy());

  /** A production database of an ordinary owner, with pgkeep installed by that owner. */
  async function production(name: string): Promise<{ url: string; app: string }> {
    const url = await createDatabase(own, name);
    await query(url, `ALTER DATABASE "${name}" OWNER TO app; GRANT ALL ON SCHEMA public TO app`);
    const app = changedUrl(url, { username: 'app', password: 'pw' });
    await query(
      app,
      `CREATE TABLE children (id int PRIMARY KEY, name text); INSERT INTO children VALUES (1, 'Siti');
       CREATE TABLE visits (id int, child int REFERENCES children)`,
    );
    expect((await runCli(['install'], { DATABASE_URL: app })).code).toBe(0);
    expect((await runCli(['stamp', 'production'], { DATABASE_URL: url })).code).toBe(0);
    return { url, app };
  }

  async function guarded(name: string): Promise<{ url: string; app: string }> {
    const urls = await production(name);
    expect(await runCli(['install', '--ddl-guard'], { DATABASE_URL: urls.url })).toMatchObject({ code: 0 });
    return urls;
  }

  const refusal = (database: string, what: string): string =>
    `pgkeep: ${what} is refused: database "${database}" is stamped production`;

  it('is installed once, by a superuser; recorded; and reported to roles that may not install it', async () => {
    const { url, app } = await production('installed');
    expect(await runCli(['install', '--ddl-guard'], { DATABASE_URL: app })).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'Cannot install the DDL guard: role "app" cannot create or drop event triggers, which PostgreSQL reserves for superusers. Nothing was changed.\nRun it once with the DATABASE_URL of a superuser (on a managed service: its administrator role). The application keeps its own role.\n',
    });
    expect(await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).toEqual({
      code: 0,
      stdout:
        'Installed: PostgreSQL now refuses DROP and TRUNCATE of the 2 tables of database "installed", and of new tables, except in a recorded deploy.\n',
      stderr: '',
    });
    // An ordinary role sees that the guard is installed.
    expect(await runCli(['install', '--ddl-guard'], { DATABASE_URL: app })).toEqual({
      code: 0,
      stdout: 'Nothing to do: the DDL guard of database "installed" is on, with 2 tables.\n',
      stderr: '',
    });
    const { rows } = await query(
      url,
      `SELECT subject, details FROM pgkeep.change_log WHERE action = 'ddl-guard'`,
    );
    expect(rows).toEqual([{ subject: 'installed', details: { action: 'installed' } }]);
  });

  it('is for production: not for a database with another stamp, nor for a copy', async () => {
    const url = await createClinic(own, 'other');
    const refused = async (target: string): Promise<string> => {
      const { code, stderr } = await runCli(['install', '--ddl-guard'], { DATABASE_URL: target });
      expect(code).toBe(3);
      return stderr.split('\n')[0] ?? '';
    };
    expect(await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to install the DDL guard: it is for production, and database "other" is not stamped. Nothing was changed.\nIf it serves production: `pgkeep install` as the database’s owner, then `pgkeep stamp production`, then try again.\n',
    });
    expect((await runCli(['install'], { DATABASE_URL: url })).code).toBe(0);
    await runCli(['stamp', 'staging'], { DATABASE_URL: url });
    expect(await refused(url)).toContain('database "other" is stamped staging.');
    const { url: original } = await guarded('original');
    const copy = await createDatabase(own, 'copy', 'original');
    expect(await refused(copy)).toContain('database "copy" is a copy that carries the stamp of another.');
    // The guard that was copied with the database refuses nothing there.
    expect(await outcome(copy, 'TRUNCATE visits; DROP TABLE children CASCADE; CREATE TABLE x ()')).toBe(
      'done',
    );
    const { rows } = await query(copy, `SELECT FROM pg_trigger WHERE tgrelid = 'x'::regclass`);
    expect(rows).toEqual([]);
    expect(await outcome(original, 'TRUNCATE visits')).toBe(refusal('original', 'TRUNCATE public.visits'));
    // No longer production: the stamp decides, not what is installed.
    const restamp = ['stamp', 'staging', '--replace', '--target', 'original'];
    expect((await runCli(restamp, { DATABASE_URL: original })).code).toBe(0);
    expect(await outcome(original, 'TRUNCATE visits; DROP TABLE children CASCADE')).toBe('done');
  });

  describe('in a production database', () => {
    let url: string;
    let app: string;
    beforeAll(async () => {
      ({ url, app } = await guarded('clinic'));
      await query(
        app,
        `CREATE TYPE mood AS ENUM ('good'); CREATE TABLE moods (mood mood);
         CREATE TABLE log (day int) PARTITION BY LIST (day);
         CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1);
         CREATE TABLE made AS SELECT 1 AS one; SELECT 2 AS two INTO picked;
         CREATE SCHEMA "of Ours" CREATE TABLE "it's ""quoted""" (id int);
         CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent)`,
      );
    });

    it.each([
      ['DROP TABLE visits', 'DROP TABLE public.visits'],
      ['DROP TABLE visits, children', 'DROP TABLE public.children and 1 more'],
      ['DROP TABLE children CASCADE', 'DROP TABLE public.children'],
      ['DROP TABLE log', 'DROP TABLE public.log'],
      ['DROP TABLE log_1', 'DROP TABLE public.log_1'],
      ['DROP TABLE parent CASCADE', 'DROP TABLE public.parent and 1 more'],
      ['ALTER TABLE children DROP COLUMN name', 'ALTER TABLE ... DROP COLUMN public.children.name'],
      ['DROP SCHEMA public CASCADE', 'DROP SCHEMA, which also drops public.child and 8 more,'],
      ['DROP SCHEMA "of Ours" CASCADE', `DROP SCHEMA, which also drops "of Ours"."it's ""quoted""",`],
      ['DROP OWNED BY app CASCADE', 'DROP OWNED, which also drops "of Ours"."it\'s ""quoted""" and 10 more,'],
      ['DROP TYPE mood CASCADE', 'DROP TYPE, which also drops public.moods.mood,'],
      ['TRUNCATE visits', 'TRUNCATE public.visits'],
      ['TRUNCATE children CASCADE', 'TRUNCATE public.children'],
      ['TRUNCATE log', 'TRUNCATE public.log'],
      ['TRUNCATE log_1', 'TRUNCATE public.log_1'],
      ['TRUNCATE ONLY parent', 'TRUNCATE public.parent'],
      ['TRUNCATE made', 'TRUNCATE public.made'],
      ['TRUNCATE picked', 'TRUNCATE public.picked'],
      ['TRUNCATE "of Ours"."it\'s ""quoted"""', 'TRUNCATE "of Ours"."it\'s ""quoted"""'],
      ["DO $$ BEGIN EXECUTE 'DROP ' || 'TABLE visits'; END $$", 'DROP TABLE public.visits'],
      ['DROP TRIGGER pgkeep_ddl_guard ON visits', 'DROP TRIGGER pgkeep_ddl_guard on public.visits'],
      ['DROP TABLE pgkeep.database_environment', 'DROP TABLE pgkeep.database_environment'],
      ['DROP SCHEMA pgkeep CASCADE', 'DROP SCHEMA, which also drops pgkeep.database_environment,'],
      [`SET pgkeep.deploy = 'on'; DROP TABLE visits`, 'DROP TABLE public.visits'],
    ])('refuses %s, by the owner and by a superuser', async (sql, what) => {
      expect(await outcome(app, sql)).toBe(refusal('clinic', what));
      expect(await outcome(url, sql)).toBe(refusal('clinic', what));
      expect(await outcome(url, `SET session_replication_role = replica; ${sql}`)).toBe(
        refusal('clinic', what),
      );
    });

    it.each([
      'ALTER TABLE visits DISABLE TRIGGER USER',
      'ALTER TABLE visits DISABLE TRIGGER pgkeep_ddl_guard',
      'ALTER TABLE visits ENABLE REPLICA TRIGGER pgkeep_ddl_guard',
    ])('is not bypassed by %s', async (sql) => {
      expect(await outcome(app, `${sql}; ALTER TABLE visits ENABLE TRIGGER USER`)).toBe('done');
      expect(await outcome(app, sql)).toBe('done');
      expect(await outcome(app, 'TRUNCATE visits')).toBe(refusal('clinic', 'TRUNCATE public.visits'));
    });

    it('names the way to do it', async () => {
      const error = await query(app, 'DROP TABLE visits').catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: 'PK003',
        detail:
          'Only a recorded deploy may drop or empty tables or drop columns, whatever the client or role.',
        hint: HINT,
      });
    });

    it.each([
      'CREATE TEMP TABLE t (a int, b int); ALTER TABLE t DROP COLUMN b; TRUNCATE t; DROP TABLE t',
      'BEGIN; CREATE TEMP TABLE t2 ON COMMIT DROP AS SELECT 1; COMMIT',
      'CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a; REFRESH MATERIALIZED VIEW mv; DROP MATERIALIZED VIEW mv',
      'CREATE VIEW v AS SELECT 1; DROP VIEW v; CREATE SEQUENCE s; DROP SEQUENCE s',
      `CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP FUNCTION f()`,
      'ALTER TABLE made ALTER one TYPE bigint; CREATE INDEX i ON made (one); DROP INDEX i',
      'ALTER TABLE made ADD CONSTRAINT c CHECK (one > 0); ALTER TABLE made DROP CONSTRAINT c',
      'DROP TABLE IF EXISTS never_was; CREATE TABLE IF NOT EXISTS made (a int)',
      'DELETE FROM visits; UPDATE children SET name = name',
      'CREATE TABLE pgkeep.own (id int); TRUNCATE pgkeep.own; DROP TABLE pgkeep.own',
      'ALTER TABLE log DETACH PARTITION log_1; ALTER TABLE log ATTACH PARTITION log_1 FOR VALUES IN (1)',
    ])('allows %s', async (sql) => {
      expect(await outcome(app, sql)).toBe('done');
    });

    it('allows CREATE and DROP EXTENSION, unless that drops columns of its types', async () => {
      expect(await outcome(url, 'CREATE EXTENSION citext; DROP EXTENSION citext')).toBe('done');
      await query(url, 'CREATE EXTENSION citext; CREATE TABLE mail (address citext)');
      expect(await outcome(url, 'DROP EXTENSION citext CASCADE')).toBe(
        refusal('clinic', 'DROP EXTENSION, which also drops public.mail.address,'),
      );
    });

    it('is not bypassed by another object in place of the stamp, whose code is not run', async () => {
      await query(
        app,
        `CREATE FUNCTION evil() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'evil ran as %', current_user; END $$;
         BEGIN; ALTER TABLE pgkeep.database_environment RENAME TO stamp;
         CREATE VIEW pgkeep.database_environment AS
           SELECT evil() AS environment, system_identifier, database_oid FROM pgkeep.stamp; COMMIT`,
      );
      expect(await outcome(app, 'DROP TABLE visits')).toBe(refusal('clinic', 'DROP TABLE public.visits'));
      await query(
        app,
        'DROP VIEW pgkeep.database_environment; ALTER TABLE pgkeep.stamp RENAME TO database_environment',
      );
    });

    it('belongs to the superuser: the owner of the database cannot switch it off', async () => {
      for (const sql of [
        'ALTER EVENT TRIGGER pgkeep_ddl_guard DISABLE',
        'DROP EVENT TRIGGER pgkeep_ddl_guard',
        'DROP SCHEMA pgkeep_guard CASCADE',
        'CREATE OR REPLACE FUNCTION pgkeep_guard.is_closed() RETURNS boolean LANGUAGE sql AS $$ SELECT false $$',
        'DROP FUNCTION pgkeep_guard.on_drop() CASCADE',
      ]) {
        expect(await outcome(app, sql)).toMatch(/^(must be owner of|permission denied for) /);
      }
    });

    it('can be switched off by a superuser, which `ready` reports', async () => {
      const details = async (target: string): Promise<string | undefined> =>
        (
          await evaluate({
            ...PRODUCTION,
            READINESS_TIMEOUT_MS: '2000',
            READINESS_REFRESH_MS: '5000',
            DATABASE_URL: target,
          })
        ).checks.databaseSafety?.details;
      expect(await details(app)).not.toContain('DDL guard');
      await query(url, 'ALTER EVENT TRIGGER pgkeep_ddl_guard DISABLE');
      expect(await details(app)).toMatch(
        /; the DDL guard against DROP and TRUNCATE is switched off: run `pgkeep install --ddl-guard` as a superuser \(role "app" is not one\)$/,
      );
      expect(await outcome(app, 'TRUNCATE picked; DROP TABLE picked')).toBe('done');
      expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
      expect(await outcome(app, 'TRUNCATE made')).toBe(refusal('clinic', 'TRUNCATE public.made'));
      expect(await details(app)).not.toContain('DDL guard');
    });
  });

  it('allows a recorded deploy, and guards what it created', async () => {
    const { url } = await guarded('deployed');
    const application = new DeployedApplication(url, { clinic: false });
    const waiver = '-- pgkeep:allow drop-table, drop-column because the test wants it\n';
    application
      .add('1_first', 'CREATE TABLE notes (id int, text text);')
      .add('2_second', `${waiver}DROP TABLE notes;\nCREATE TABLE memos (id int);`);
    const environment = { NODE_ENV: 'production' };
    await query(url, `ALTER TABLE children SET SCHEMA pgkeep; ALTER TABLE visits SET SCHEMA pgkeep`);
    const { code, stderr } = await application.deploy([], environment);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(await outcome(url, 'TRUNCATE memos')).toBe(refusal('deployed', 'TRUNCATE public.memos'));
    expect(await outcome(url, 'DROP TABLE _prisma_migrations')).toBe(
      refusal('deployed', 'DROP TABLE public._prisma_migrations'),
    );
    // Neither an installed guard nor its removal is drift.
    for (const argv of [['--remove-ddl-guard'], ['--ddl-guard']]) {
      const drift = await runCli(['migrate', 'drift'], { DATABASE_URL: url, ...environment });
      expect(drift).toMatchObject({ code: 0 });
      expect((await runCli(['install', ...argv], { DATABASE_URL: url })).code).toBe(0);
    }
    expect(await runCli(['migrate', 'drift'], { DATABASE_URL: url, ...environment })).toMatchObject({
      code: 0,
    });
  });

  it('allows a rollback', async () => {
    const { url } = await guarded('taken_back');
    await query(url, 'ALTER TABLE children SET SCHEMA pgkeep; ALTER TABLE visits SET SCHEMA pgkeep');
    const application = new DeployedApplication(url, { clinic: false });
    application.add('20260101000000_notes', 'CREATE TABLE notes (id int);');
    application.write('20260101000000_notes/down.sql', 'DROP TABLE notes;\n');
    const environment = { NODE_ENV: 'production', DATABASE_URL: url };
    expect((await application.deploy([], environment)).code).toBe(0);
    expect(await outcome(url, 'DROP TABLE notes')).toBe(refusal('taken_back', 'DROP TABLE public.notes'));
    const argv = ['migrate', 'rollback', '--confirm', 'ROLLBACK_PRODUCTION', '--target', 'taken_back'];
    const rolledBack = await runCli(argv, environment, { cwd: application.directory });
    expect(rolledBack).toMatchObject({ code: 0 });
    expect(await outcome(url, 'SELECT FROM notes')).toBe('relation "notes" does not exist');
  });

  it('fails a deploy that has lost the lock that exempts it', async () => {
    const { url } = await production('lockless');
    const application = new DeployedApplication(url, { clinic: false });
    await query(url, 'ALTER TABLE children SET SCHEMA pgkeep; ALTER TABLE visits SET SCHEMA pgkeep');
    application.add('1_first', 'CREATE TABLE notes (id int);');
    const environment = { NODE_ENV: 'production' };
    expect((await application.deploy([], environment)).code).toBe(0);
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    application.add(
      '2_second',
      '-- pgkeep:allow drop-table because the test wants it\nSELECT pg_sleep(2); DROP TABLE notes;',
    );
    const deploy = application.start([], environment);
    await until(() => deploy.stderr.includes('Applying 2_second'), 30_000, 'the migration');
    await query(
      url,
      `SELECT pg_terminate_backend(l.pid) FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.classid = $1 AND l.granted`,
      [0x70_67_6b_65],
    );
    expect((await deploy.end(60_000)).code).toBe(1);
    expect(deploy.stderr).toContain(
      `PostgreSQL reported: ${refusal('lockless', 'DROP TABLE public.notes')} (PK003)
The DDL guard allows this only while pgkeep’s deploy lock is held, and the connection that held it was lost.
The migration was rolled back completely: the database is as it was before it.`,
    );
    expect(deploy.stderr).toContain('Retry later:\n');
  });

  it('is installed once by two concurrent installs', async () => {
    const { url } = await production('raced');
    const both = await Promise.all([
      runCli(['install', '--ddl-guard'], { DATABASE_URL: url }),
      runCli(['install', '--ddl-guard'], { DATABASE_URL: url }),
    ]);
    expect(both.map(({ stderr }) => stderr)).toEqual(['', '']);
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    expect(await outcome(url, 'TRUNCATE visits')).toBe(refusal('raced', 'TRUNCATE public.visits'));
  });

  it('refuses Prisma’s destructive commands where Prisma has no guard, and is invisible to Prisma', async () => {
    const { url, app } = await guarded('prisma');
    const application = new PrismaApplication(app);
    application.write('drop.sql', 'DROP TABLE visits;');
    const executed = await application.prisma('db execute --file drop.sql');
    expect(executed.exitCode).toBe(1);
    expect(executed.output).toContain(refusal('prisma', 'DROP TABLE public.visits'));
    const reset = await application.prisma('migrate reset --force');
    expect(reset.exitCode).toBe(1);
    expect(reset.output).toContain('is refused: database "prisma" is stamped production');
    expect((await query(url, 'SELECT name FROM children')).rows).toEqual([{ name: 'Siti' }]);

    application.writeSchema(CHILDREN);
    const pulled = await application.prisma('db pull --print');
    expect(pulled.output).toContain('model children');
    expect(pulled.output).not.toContain('pgkeep');
  });

  it('skips a table that is in use, and reports it', async () => {
    const { url } = await production('busy');
    const holder = new Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN; UPDATE children SET name = name');
    const first = await runCli(['install', '--ddl-guard'], { DATABASE_URL: url });
    await holder.query('ROLLBACK');
    await holder.end();
    expect(first).toMatchObject({
      code: 1,
      stdout:
        'Installed: PostgreSQL now refuses DROP and TRUNCATE of the 1 table of database "busy", and of new tables, except in a recorded deploy.\n' +
        'Skipped, because they are locked or belong to another role: public.children. Run `pgkeep install --ddl-guard` again.\n',
    });
    expect((await runCli(['install', '--ddl-guard'], { DATABASE_URL: url })).code).toBe(0);
    expect(await outcome(url, 'TRUNCATE children CASCADE')).toBe(refusal('busy', 'TRUNCATE public.children'));
  });

  it('is removed completely by --remove-ddl-guard, which is recorded', async () => {
    const { url } = await guarded('removed');
    expect(await runCli(['install', '--remove-ddl-guard'], { DATABASE_URL: url })).toMatchObject({
      code: 0,
      stdout: 'Removed: PostgreSQL no longer refuses DROP and TRUNCATE in database "removed".\n',
    });
    const { rows } = await query(
      url,
      `SELECT (SELECT count(*)::int FROM pg_trigger WHERE tgname LIKE 'pgkeep%')
            + (SELECT count(*)::int FROM pg_event_trigger) AS triggers,
              to_regnamespace('pgkeep_guard') IS NULL AS gone,
              (SELECT details->>'action' FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1) AS action`,
    );
    expect(rows).toEqual([{ triggers: 0, gone: true, action: 'removed' }]);
    expect(await outcome(url, 'TRUNCATE visits; DROP TABLE children CASCADE')).toBe('done');
    expect((await runCli(['install', '--remove-ddl-guard'], { DATABASE_URL: url })).stdout).toBe(
      'Nothing to do: database "removed" has no DDL guard.\n',
    );
  });

  it('allows a subscription to truncate what its publisher truncated', async () => {
    const publisher = await createDatabase(own, 'publisher');
    await query(publisher, 'CREATE TABLE entries (id int PRIMARY KEY); INSERT INTO entries VALUES (1)');
    await query(publisher, 'CREATE PUBLICATION all_of_it FOR TABLE entries');
    await query(publisher, `SELECT pg_create_logical_replication_slot('to_subscriber', 'pgoutput')`);
    const { url } = await guarded('subscriber');
    await query(url, 'CREATE TABLE entries (id int PRIMARY KEY); INSERT INTO entries VALUES (1)');
    const { port } = new URL(publisher);
    const { username, password } = new URL(publisher);
    const connection = `host=127.0.0.1 port=${port} dbname=publisher user=${username} password=${password}`;
    await query(
      url,
      `CREATE SUBSCRIPTION ours CONNECTION '${connection}' PUBLICATION all_of_it
         WITH (create_slot = false, slot_name = 'to_subscriber', copy_data = false)`,
    );
    await query(publisher, `INSERT INTO entries VALUES (2); TRUNCATE entries`);
    await query(publisher, `INSERT INTO entries VALUES (3)`);
    await until(
      async () => (await query(url, 'SELECT FROM entries WHERE id = 3')).rowCount === 1,
      20_000,
      'the row that came after the TRUNCATE',
    );
    expect((await query(url, 'SELECT id FROM entries')).rows).toEqual([{ id: 3 }]);
    await query(url, 'ALTER SUBSCRIPTION ours DISABLE');
    await query(url, 'ALTER SUBSCRIPTION ours SET (slot_name = NONE)');
    await query(url, 'DROP SUBSCRIPTION ours');
    await query(publisher, `SELECT pg_drop_replication_slot('to_subscriber')`);
  });
});
