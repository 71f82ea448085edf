import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(120_000);

/** Everything that can be refused is refused before the restore begins, and by `--plan` too. */
describe('a restore by a role that is no superuser', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: { max_prepared_transactions: '2' } });
    await query(
      own.cluster.url('postgres'),
      `CREATE ROLE owner1 LOGIN PASSWORD 'owner-secret' CREATEDB; CREATE ROLE grafana; CREATE ROLE other; CREATE ROLE auditor;
       CREATE ROLE app LOGIN PASSWORD 'app-secret'`,
    );
  });
  afterAll(() => own.cluster.destroy());

  /** A database of owner1. @returns the settings to work on it as owner1. */
  async function owned(name: string, sql: string, bySuperuser = ''): Promise<Record<string, string>> {
    const url = await createDatabase(own, name);
    await query(url, `ALTER DATABASE ${name} OWNER TO owner1; ALTER SCHEMA public OWNER TO owner1`);
    const asOwner = changedUrl(url, { username: 'owner1', password: 'owner-secret' });
    await query(asOwner, sql);
    if (bySuperuser !== '') await query(url, bySuperuser);
    return { NODE_ENV: 'test', DATABASE_URL: asOwner, BACKUP_DIR: backupDirectory(), superuser: url };
  }

  async function backUp({ superuser, ...environment }: Record<string, string>): Promise<string> {
    // As the superuser, who sees everything.
    const settings = { ...environment, DATABASE_URL: superuser ?? '' };
    return (await withBackups(settings, (backups) => backups.create())).name;
  }

  async function newestOf(environment: Record<string, string>): Promise<{ name: string }> {
    const { backups } = await withBackups(environment, (service) => service.list());
    if (!backups[0]) throw new Error('there is no backup');
    return backups[0];
  }

  async function expectRefused(
    environment: Record<string, string>,
    expected: string | ((name: string) => string),
  ): Promise<void> {
    const name = await backUp(environment);
    const message = typeof expected === 'string' ? expected : expected(name);
    for (const argv of [
      ['restore', '--plan', name],
      ['restore', name],
    ]) {
      expect(await runCli(argv, environment)).toMatchObject({ code: 3, stdout: '', stderr: message });
    }
    const { backups } = await withBackups(environment, (service) => service.list());
    expect(backups.map((backup) => backup.name)).toEqual([name]);
  }

  it.each(['custom', 'plain'])('restores grants to roles that it is not a member of: %s', async (format) => {
    const environment = await owned(
      `granted_${format}`,
      `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); GRANT SELECT ON t TO grafana;
       CREATE POLICY seen ON t TO grafana USING (true);
       CREATE FUNCTION grant_all() RETURNS void LANGUAGE plpgsql AS $f$
BEGIN
  EXECUTE '
GRANT SELECT ON t TO missing_role;';
END $f$;
       CREATE TABLE notes (v text); INSERT INTO notes VALUES ('ALTER TABLE t OWNER TO other;')`,
      `GRANT CONNECT ON DATABASE granted_${format} TO auditor`,
    );
    environment['BACKUP_FORMAT'] = format;
    const name = await backUp(environment);
    const restored = await runCli(['restore', name], environment);
    expect(restored).toMatchObject({ code: 0 });
    const { rows } = await query(
      environment['superuser'] ?? '',
      `SELECT has_table_privilege('grafana', 't', 'SELECT') AS granted, tableowner FROM pg_tables WHERE tablename = 't'`,
    );
    expect(rows).toEqual([{ granted: true, tableowner: 'owner1' }]);
  });

  it('refuses objects of an owner that the role is not a member of, before the safety backup', async () => {
    const environment = await owned(
      'handed',
      'CREATE TABLE t (id int)',
      'CREATE TABLE u (); ALTER TABLE u OWNER TO other',
    );
    await expectRefused(
      environment,
      'Refused to restore: role "owner1" cannot create objects owned by "other": it is not a member of that role. Nothing was changed.\n' +
        'Grant the membership as a superuser: GRANT "other" TO "owner1"; Or restore without owners and grants, so that role "owner1" owns everything: `--no-owner`.\n',
    );
  });

  it('refuses privileges that another role granted', async () => {
    const environment = await owned(
      'regranted',
      'CREATE TABLE t (id int); GRANT SELECT ON t TO auditor WITH GRANT OPTION',
      'SET ROLE auditor; GRANT SELECT ON t TO grafana',
    );
    await expectRefused(
      environment,
      'Refused to restore: the backup contains privileges that "auditor" granted on objects of other owners, and only a superuser can restore those. Nothing was changed.\n' +
        'Restore as a superuser. Or restore without owners and grants, so that role "owner1" owns everything: `--no-owner`.\n',
    );
  });

  it('refuses what only a superuser can create', async () => {
    const environment = await owned(
      'privileged',
      'CREATE TABLE t (id int)',
      `CREATE EXTENSION file_fdw;
       CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       ALTER FUNCTION noted() OWNER TO owner1;
       CREATE EVENT TRIGGER noted_all ON ddl_command_end EXECUTE FUNCTION noted()`,
    );
    await expectRefused(
      environment,
      (name) =>
        `Refused to restore ${name}: only a superuser can create event trigger noted_all, extension file_fdw, and role "owner1" is not a superuser. Nothing was changed.\n` +
        'Restore as a superuser: use a superuser in the database URL for this command.\n',
    );
  });

  it('refuses the same in a dump without a manifest, but not for the administrator of a managed service', async () => {
    const environment = await owned(
      'managed',
      'CREATE TABLE t (id int)',
      `CREATE EXTENSION file_fdw; CREATE EXTENSION pgcrypto;
       CREATE FUNCTION noted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
       ALTER FUNCTION noted() OWNER TO owner1;
       CREATE EVENT TRIGGER noted_all ON ddl_command_end EXECUTE FUNCTION noted()`,
    );
    const name = await backUp(environment);
    const dump = path.join(backupDirectory(), 'bare.dump');
    copyFileSync(path.join(environment['BACKUP_DIR'] ?? '', `${name}.dump`), dump);
    const plan = (source: string): ReturnType<typeof runCli> =>
      runCli(['restore', '--plan', source, '--no-owner'], environment);
    expect(await plan(dump)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        `Refused to restore ${dump}: only a superuser can create event trigger noted_all, extension file_fdw, and role "owner1" is not a superuser. Nothing was changed.\n` +
        'Restore as a superuser: use a superuser in the database URL for this command.\n',
    });
    await query(own.cluster.url('postgres'), 'CREATE ROLE rds_superuser; GRANT rds_superuser TO owner1');
    try {
      for (const source of [name, dump]) expect(await plan(source)).toMatchObject({ code: 0, stderr: '' });
    } finally {
      await query(own.cluster.url('postgres'), 'DROP ROLE rds_superuser');
    }
  });

  it('refuses a database that it could not rename afterwards', async () => {
    const environment = await owned('held', 'CREATE TABLE t (id int); GRANT CONNECT ON DATABASE held TO app');
    const session = new Client({
      connectionString: changedUrl(environment['superuser'] ?? '', {
        username: 'app',
        password: 'app-secret',
      }),
    });
    session.on('error', () => undefined);
    await session.connect();
    await expectRefused(
      environment,
      'Refused to restore: role "owner1" cannot end the sessions of "app" in database "held", and PostgreSQL cannot rename it while they are open. Nothing was changed.\n' +
        'End those sessions, or grant as a superuser: GRANT pg_signal_backend TO "owner1";\n',
    );
    await session.end();
    const { name } = await newestOf(environment);
    await query(
      environment['superuser'] ?? '',
      `BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'left'`,
    );
    expect(await runCli(['restore', '--plan', name], environment)).toMatchObject({
      code: 3,
      stderr:
        'Refused to restore: database "held" has 1 prepared transaction ("left"), and PostgreSQL cannot rename it until they end. Nothing was changed.\n' +
        'Connect to it and end each with COMMIT PREPARED or ROLLBACK PREPARED.\n',
    });
    await query(environment['superuser'] ?? '', `ROLLBACK PREPARED 'left'`);
  });

  it('refuses a name in --despite that is not a finding', async () => {
    const environment = await owned('named', 'CREATE TABLE t (id int PRIMARY KEY)');
    const name = await backUp(environment);
    for (const finding of ['indexes:public.nope', 'restore:table-data:public.nope', 'rows:public.t']) {
      const { code, stdout, stderr } = await runCli(['restore', name, '--despite', finding], environment);
      expect([code, stdout]).toEqual([3, '']);
      expect(stderr).toContain(
        `Refused to restore ${name}: ${finding} is not a finding of this backup. The database was not changed.\nList its findings: \`pgkeep restore test ${name}\`.\n`,
      );
    }
    const healthy = await runCli(['restore', name, '--despite', 'restore:table-data:public.t'], environment);
    expect([healthy.code, healthy.stderr]).toEqual([
      3,
      expect.stringContaining(`restore:table-data:public.t is not a finding of this backup`),
    ]);
    const databases = await query(
      environment['superuser'] ?? '',
      `SELECT datname FROM pg_database WHERE datname LIKE 'named%'`,
    );
    expect(databases.rows).toEqual([{ datname: 'named' }]);
  });
});
