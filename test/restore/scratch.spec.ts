import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { run } from '../../src/core/process/run.js';
import { clearLeftovers } from '../../src/restore/test/throw-away-server.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** Where restore tests run: what is refused, and what is left. */
describe('the place of a restore test', () => {
  let own: ThrowAwayCluster;
  let other: ThrowAwayCluster;
  let clinic: string;
  let large: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    other = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    large = await createDatabase(own, 'large');
    await query(
      large,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 600000) i;
       CREATE INDEX ON t (v)`,
    );
    const server = other.cluster.url('postgres');
    await query(server, `CREATE ROLE tester LOGIN PASSWORD 'tester-secret'`);
    await query(server, 'CREATE DATABASE given OWNER tester TEMPLATE template0');
  });
  beforeEach(() => {
    environment = {
      DATABASE_URL: clinic,
      BACKUP_DIR: backupDirectory(),
      TEST_DATABASE_URL: other.cluster.url('postgres'),
    };
  });
  afterAll(async () => {
    await own.cluster.destroy();
    await other.cluster.destroy();
  });

  async function backUp(url = clinic): Promise<void> {
    environment['DATABASE_URL'] = url;
    await withBackups({ ...environment, NODE_ENV: 'development' }, (backups) => backups.create());
  }

  async function scratchDatabases(): Promise<string[]> {
    const { rows } = await query(
      other.cluster.url('postgres'),
      `SELECT datname FROM pg_database WHERE datname LIKE 'pgkeep%'`,
    );
    return rows.map(({ datname }) => String(datname));
  }

  const asTester = (): string =>
    changedUrl(other.cluster.url('given'), { username: 'tester', password: 'tester-secret' });

  it('is never the guarded database, whatever host name is used for it', async () => {
    await backUp();
    environment['TEST_DATABASE_URL'] = changedUrl(clinic, { hostname: 'localhost' });
    const before = await query(clinic, 'SELECT count(*) FROM children');
    expect(await runCli(['restore', 'test'], environment)).toEqual({
      code: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^Refused to test a restore: TEST_DATABASE_URL leads to the guarded database \(system \d+, oid \d+\)\. Nothing was changed\.\nPoint TEST_DATABASE_URL at another server, or unset it\.\n$/,
      ),
    });
    expect((await query(clinic, 'SELECT count(*) FROM children')).rows).toEqual(before.rows);
  });

  it('is never the guarded database, even while that cannot be reached: the manifest identifies it', async () => {
    await backUp();
    environment['TEST_DATABASE_URL'] = clinic;
    environment['DATABASE_URL'] = changedUrl(clinic, { port: '1' });
    expect((await runCli(['restore', 'test'], environment)).code).toBe(3);
  });

  it('may be a given database for a role without CREATEDB, which is left empty', async () => {
    await backUp();
    environment['TEST_DATABASE_URL'] = asTester();
    for (let round = 0; round < 2; round += 1) {
      const { code, stdout } = await runCli(['restore', 'test', '--json'], environment);
      expect([code, JSON.parse(stdout)]).toMatchObject([
        0,
        {
          verdict: 'passed',
          restoredTo: 'given database',
          notes: ['owners and grants were not restored: role "tester" is not a superuser on that server'],
        },
      ]);
      const left = await query(
        other.cluster.url('given'),
        `SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
         UNION ALL SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace`,
      );
      expect(left.rows).toEqual([{ nspname: 'public' }]);
    }
  });

  it('must be an empty database, unless it is stamped test', async () => {
    await backUp();
    environment['TEST_DATABASE_URL'] = asTester();
    await query(asTester(), 'CREATE TABLE precious (); INSERT INTO precious DEFAULT VALUES');
    expect(await runCli(['restore', 'test'], environment)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to test a restore in database "given" of TEST_DATABASE_URL: it is neither empty nor stamped test, and role "tester" cannot create another database. Nothing was changed.\n' +
        'Allow it to create databases: ALTER ROLE "tester" CREATEDB; Or use an empty database, or mark this one as scratch: `DATABASE_URL=… pgkeep stamp test`.\n',
    });
    expect((await query(asTester(), 'SELECT count(*) FROM precious')).rows).toEqual([{ count: '1' }]);
    for (const argv of [['install'], ['stamp', 'test']]) {
      expect((await runCli(argv, { DATABASE_URL: other.cluster.url('given') })).code).toBe(0);
    }
    await query(
      other.cluster.url('given'),
      'ALTER SCHEMA pgkeep OWNER TO tester; GRANT ALL ON ALL TABLES IN SCHEMA pgkeep TO tester',
    );
    expect((await runCli(['restore', 'test'], environment)).code).toBe(0);
  });

  it('may lack roles: the report names them, and what was not checked', async () => {
    await query(own.cluster.url('postgres'), 'CREATE ROLE clinic_owner');
    const url = await createDatabase(own, 'kept');
    await query(url, 'CREATE TABLE t (id int); ALTER TABLE t OWNER TO clinic_owner');
    await backUp(url);
    const { code, stdout } = await runCli(['restore', 'test'], environment);
    expect(code).toBe(0);
    expect(stdout).toContain(
      '  note: owners and grants were not restored: the server does not have role "clinic_owner"\n',
    );
  });

  it('is left behind by a killed test, and dropped by the next test', async () => {
    await backUp(large);
    const test = new PgkeepProcess('cli', ['restore', 'test'], environment);
    await until(async () => (await scratchDatabases()).length === 1, 15_000, 'a scratch database');
    await test.kill();
    const left = await scratchDatabases();
    expect(left).toHaveLength(1);
    await query(other.cluster.url('postgres'), 'CREATE DATABASE pgkeep_test_20200101000000_00000000');
    expect((await runCli(['restore', 'test'], environment)).code).toBe(0);
    // A database with such a name but without pgkeep's mark is not pgkeep's.
    expect(await scratchDatabases()).toEqual(['pgkeep_test_20200101000000_00000000']);
    await query(other.cluster.url('postgres'), 'DROP DATABASE pgkeep_test_20200101000000_00000000');
  });

  it.each(['SIGINT', 'SIGTERM'] as const)('is removed after %s: no verdict, nothing left', async (signal) => {
    await backUp(large);
    const test = new PgkeepProcess('cli', ['restore', 'test'], environment);
    await until(async () => (await scratchDatabases()).length === 1, 15_000, 'a scratch database');
    test.signal(signal);
    expect((await test.end()).code).toBe({ SIGINT: 130, SIGTERM: 143 }[signal]);
    expect(test.stderr).toMatch(/^Interrupted: did not test the restore of large_development_\d+_\d+\. /);
    expect(await scratchDatabases()).toEqual([]);
    expect(readdirSync(environment['BACKUP_DIR'] ?? '')).toHaveLength(2);
  });

  it('may be a throw-away cluster, which ends with a killed test and whose files the next test removes', async () => {
    const temporary = emptyDirectory();
    await run('chmod', ['711', temporary], { env: { PATH: process.env['PATH'] } });
    const { TEST_DATABASE_URL: _unset, ...alone } = environment;
    await backUp(large);
    const settings = { ...alone, DATABASE_URL: large, TMPDIR: temporary };
    const files = (): string[] =>
      readdirSync(temporary).filter((name) => name.startsWith('pgkeep-restore-test-'));
    const test = new PgkeepProcess('cli', ['restore', 'test'], settings);
    await until(
      () => files().some((name) => existsSync(path.join(temporary, name, 'cluster', 'owner'))),
      15_000,
      'a throw-away cluster',
    );
    await test.kill();
    const left = files();
    expect(left).toHaveLength(1);
    const postmaster = path.join(temporary, left[0] ?? '', 'cluster', 'data', 'postmaster.pid');
    await until(() => !existsSync(postmaster), 15_000, 'the end of the server');
    expect((await runCli(['restore', 'test'], settings)).code).toBe(0);
    expect(files()).toEqual([]);
  });

  it('leaves alone what another user left', () => {
    const parent = emptyDirectory();
    const foreign = path.join(parent, 'pgkeep-restore-test-foreign');
    mkdirSync(path.join(foreign, 'cluster'), { recursive: true });
    chmodSync(path.join(foreign, 'cluster'), 0);
    chmodSync(parent, 0o755);
    try {
      asOrdinaryUser(() => clearLeftovers(parent, Date.now() + 60_000));
      expect(readdirSync(parent)).toEqual(['pgkeep-restore-test-foreign']);
    } finally {
      chmodSync(path.join(foreign, 'cluster'), 0o700);
    }
    clearLeftovers(parent, Date.now() + 60_000);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('may be on a server that is restarted during the test: the verdict is failed', async () => {
    await backUp(large);
    const test = new PgkeepProcess('cli', ['restore', 'test'], environment);
    await until(async () => (await scratchDatabases()).length === 1, 15_000, 'a scratch database');
    await other.cluster.stop();
    await other.cluster.startServer();
    expect((await test.end()).code).toBe(1);
    expect(test.stdout + test.stderr).toMatch(/FAILED its restore test|Cannot test the restore of/);
    await backUp(clinic);
    expect((await runCli(['restore', 'test'], environment)).code).toBe(0);
    expect(await scratchDatabases()).toEqual([]);
  });

  // Mounting needs root; the container and CI run as root.
  const onRoot = process.getuid?.() === 0 ? it : it.skip;
  onRoot('a full disk fails the test with the server’s own words, and leaves nothing', async () => {
    await backUp(large);
    const disk = path.join(tmpdir(), `pgkeep-disk-${process.pid}`);
    mkdirSync(disk);
    const env = { PATH: process.env['PATH'] };
    await run('mount', ['-t', 'tmpfs', '-o', 'size=80m,mode=711', 'tmpfs', disk], { env });
    try {
      const { TEST_DATABASE_URL: _unset, ...alone } = environment;
      const onSmallDisk = { ...alone, TMPDIR: disk };
      expect(await runCli(['restore', 'test'], onSmallDisk)).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringMatching(
          new RegExp(
            `^Cannot test a restore: the database needs about \\d+\\.\\d MB, and the disk of ${disk} has 80\\.0 MB free\\. Nothing was changed\\.\nFree space there\\. `,
          ),
        ),
      });
      const unchecked = { ...onSmallDisk, RESTORE_REQUIRED_FREE_MB: '0' };
      const { code, stdout } = await runCli(['restore', 'test'], unchecked);
      expect(code).toBe(1);
      expect(stdout).toMatch(/ {2}NO {3}restore {2}.*No space left on device/);
      expect(readdirSync(disk)).toEqual([]);
    } finally {
      await run('umount', [disk], { env });
      rmSync(disk, { recursive: true });
    }
  });
});

/** Runs a step without the rights of root, which may remove everything. */
function asOrdinaryUser(step: () => void): void {
  if (process.geteuid?.() !== 0) return step();
  process.seteuid?.('nobody');
  try {
    step();
  } finally {
    process.seteuid?.(0);
  }
}
