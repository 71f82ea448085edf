import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PgkeepError } from '../../src/core/errors.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('before a backup begins', () => {
  let own: ThrowAwayCluster;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    await query(
      own.cluster.url('postgres'),
      `CREATE ROLE dumper LOGIN PASSWORD 'pw'; GRANT pg_read_all_data TO dumper;
       CREATE ROLE app LOGIN CREATEDB PASSWORD 'pw'`,
    );
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  const asRole = (url: string, username: string): Record<string, string> => ({
    NODE_ENV: 'test',
    DATABASE_URL: changedUrl(url, { username, password: 'pw' }),
    BACKUP_DIR: directory,
  });

  async function refusal(url: string, username = 'dumper'): Promise<object> {
    const error = await withBackups(asRole(url, username), (backups) => backups.create()).then(
      () => new Error('it was made'),
      (thrown: unknown) => thrown,
    );
    expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
    if (!(error instanceof PgkeepError)) throw error;
    return { code: error.code, message: error.message, hint: error.hint };
  }

  it('large objects of other owners: refused with the grants to run, which suffice', async () => {
    const url = await createDatabase(own, 'objects');
    await query(url, `SELECT lo_from_bytea(70001, 'a'), lo_from_bytea(70002, 'b')`);
    await query(url, 'ALTER LARGE OBJECT 70002 OWNER TO app');
    expect(await refusal(url)).toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message: 'Cannot back up database "objects": role "dumper" may not read 2 large objects 70001, 70002.',
      hint: 'Run, as a superuser: GRANT SELECT ON LARGE OBJECT 70001, 70002 TO "dumper";\nTo cover future large objects too, make the role a member of their owner: GRANT "app", "postgres" TO "dumper";',
    });
    await query(
      url,
      'GRANT SELECT ON LARGE OBJECT 70001 TO dumper; GRANT SELECT ON LARGE OBJECT 70002 TO PUBLIC',
    );
    const { notes } = await withBackups(asRole(url, 'dumper'), (backups) => backups.create());
    expect(notes).toEqual([]);
  });

  it('more large objects than a message lists: one statement grants all', async () => {
    const url = await createDatabase(own, 'many');
    await query(url, `SELECT lo_from_bytea(n, 'a') FROM generate_series(80001, 80012) n`);
    expect(await refusal(url)).toMatchObject({
      message:
        'Cannot back up database "many": role "dumper" may not read 12 large objects 80001, 80002, 80003, 80004, 80005, 80006, 80007, 80008, 80009, 80010 and 2 more.',
      hint: expect.stringContaining(
        `in psql, SELECT format('GRANT SELECT ON LARGE OBJECT %s TO "dumper"', oid) FROM pg_largeobject_metadata \\gexec`,
      ),
    });
  });

  it('configuration tables of extensions, which pg_dump reads: refused if rows are hidden', async () => {
    const url = await createDatabase(own, 'configured');
    await query(
      url,
      `CREATE SCHEMA cron; CREATE TABLE cron.job (id int, owner text);
       CREATE EXTENSION postgres_fdw;
       ALTER EXTENSION postgres_fdw ADD TABLE cron.job;
       UPDATE pg_extension SET extconfig = ARRAY['cron.job'::regclass::oid], extcondition = ARRAY['']
        WHERE extname = 'postgres_fdw';
       ALTER TABLE cron.job ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON cron.job USING (owner = current_user)`,
    );
    expect(await refusal(url, 'app')).toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message: 'Cannot back up database "configured": role "app" may not use schema cron.',
    });
    expect(await refusal(url)).toMatchObject({
      code: 'BACKUP_ROW_SECURITY',
      message:
        'Cannot back up database "configured": row-level security hides rows of table cron.job from role "dumper".',
    });
  });

  it('objects that only a superuser may create: reported by the backup, refused when another role restores', async () => {
    const url = await createDatabase(own, 'privileged');
    await query(
      url,
      `ALTER DATABASE privileged OWNER TO app; ALTER SCHEMA public OWNER TO app;
       CREATE TABLE t AS SELECT 1 AS id; ALTER TABLE t OWNER TO app; GRANT pg_read_all_data TO app;
       CREATE EXTENSION pgcrypto; CREATE EXTENSION file_fdw;
       CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       CREATE EVENT TRIGGER audit ON ddl_command_start EXECUTE FUNCTION watch();
       CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION own FOR TABLE t;
       CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA public;
       CREATE FUNCTION replica() RETURNS int LANGUAGE sql SET session_replication_role = 'replica' AS 'SELECT 1';
       CREATE FUNCTION quiet(int) RETURNS int LANGUAGE sql LEAKPROOF AS 'SELECT 1';
       CREATE FUNCTION plain(int) RETURNS int LANGUAGE sql SET work_mem = '64MB' AS 'SELECT 1'`,
    );
    const objects =
      'event trigger audit, extension file_fdw, function public.quiet(integer), function public.replica(), publication everything, publication of_schema';
    const backup = await withBackups(asRole(url, 'app'), (backups) => backups.create());
    expect(backup.notes).toEqual([`role "app" cannot restore it: only a superuser may create ${objects}`]);
    const denied = {
      code: 3,
      stderr: `Refused to restore ${backup.name}: only a superuser can create ${objects}, and role "app" is not a superuser. Nothing was changed.\nRestore as a superuser: use a superuser in the database URL for this command.\n`,
    };
    const before = readdirSync(directory);
    for (const argv of [
      ['restore', backup.name, '--plan'],
      ['restore', backup.name],
    ]) {
      expect(await runCli(argv, asRole(url, 'app'))).toMatchObject(denied);
    }
    expect(readdirSync(directory)).toEqual(before);
    const other = changedUrl(own.cluster.url('postgres'), { username: 'app', password: 'pw' });
    await expect(
      withRestoreTests({ DATABASE_URL: url, BACKUP_DIR: directory, TEST_DATABASE_URL: other }, (tests) =>
        tests.run(),
      ),
    ).rejects.toMatchObject({ code: 'RESTORE_REFUSED', message: denied.stderr.split('\n')[0] });
    expect(
      await runCli(['restore', backup.name], { NODE_ENV: 'test', DATABASE_URL: url, BACKUP_DIR: directory }),
    ).toMatchObject({
      code: 0,
    });
  });

  it('the administrator role of a managed service: not refused in advance', async () => {
    const url = await createDatabase(own, 'managed');
    await query(
      url,
      `CREATE EXTENSION file_fdw; CREATE ROLE rds_superuser; ALTER DATABASE managed OWNER TO app`,
    );
    const backup = await withBackups(asRole(url, 'dumper'), (backups) => backups.create());
    const plan = async (): Promise<number | null> =>
      (await runCli(['restore', backup.name, '--plan'], asRole(url, 'app'))).code;
    expect(await plan()).toBe(3);
    await query(url, 'GRANT rds_superuser TO app');
    expect(await plan()).toBe(0);
    await query(url, 'DROP ROLE rds_superuser');
  });
});
