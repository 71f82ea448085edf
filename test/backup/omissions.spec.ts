import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { htmlReport } from '../../src/restore/test/html-report.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { faultsOf, withRestoreTests } from '../support/restores.js';
import { REPLICATION_HBA, startStandby } from '../support/standby.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const OPTIONS = 'the options of the user mapping for app2 SERVER far';
const SECRET = 'far-secret';

describe('what a role cannot read', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ hba: REPLICATION_HBA, settings: { wal_level: 'logical' } });
    url = await createDatabase(own, 'mapped');
    await query(
      url,
      `CREATE ROLE dumper LOGIN PASSWORD 'pw'; GRANT pg_read_all_data TO dumper;
       CREATE ROLE narrow LOGIN PASSWORD 'pw'; CREATE ROLE app2;
       CREATE EXTENSION postgres_fdw;
       CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', dbname 't0');
       CREATE USER MAPPING FOR app2 SERVER far OPTIONS (user 'far', password '${SECRET}');
       CREATE USER MAPPING FOR dumper SERVER far OPTIONS (user 'seen', password 'pw');
       GRANT USAGE ON FOREIGN SERVER far TO dumper;
       CREATE TABLE t AS SELECT 1 AS x; GRANT SELECT ON t TO narrow`,
    );
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  const as = (username: string): string => changedUrl(url, { username, password: 'pw' });
  const settings = (databaseUrl: string): Record<string, string> => ({
    NODE_ENV: 'test',
    DATABASE_URL: databaseUrl,
    BACKUP_DIR: directory,
  });

  it('options of a user mapping: reported by backup, list, verify, restore test and restore plan', async () => {
    const backup = await withBackups(settings(as('dumper')), (backups) => backups.create());
    expect([backup.without, backup.notes]).toEqual([
      [OPTIONS],
      [
        `${OPTIONS}: only a superuser can read them, so pg_dump left them out. Back up as a superuser, or set them again after a restore: ALTER USER MAPPING FOR app2 SERVER far OPTIONS (ADD user '…', ADD password '…');`,
        'role "dumper" cannot restore it: only a superuser may create extension postgres_fdw',
      ],
    ]);
    expect(readFileSync(backup.manifest, 'utf8')).not.toContain(SECRET);
    const [listed, verified] = await withBackups(settings(url), async (backups) => [
      (await backups.list()).backups,
      await backups.verify(backup.name),
    ]);
    expect(listed).toMatchObject([{ name: backup.name, without: [OPTIONS] }]);
    expect(verified).toMatchObject({ verdict: 'passed', without: [OPTIONS] });

    const tested = await withRestoreTests(settings(url), (tests) => tests.run());
    expect(tested).toMatchObject({ verdict: 'passed', without: [OPTIONS] });
    expect(htmlReport(tested)).toContain(`<strong>Passed, without ${OPTIONS}</strong>`);

    const list = await runCli(['backup', 'list'], settings(url));
    expect(list.stdout).toContain('passed, without 1 part');
    const plan = await runCli(['restore', backup.name, '--plan'], settings(url));
    expect(plan.stdout).toMatch(
      /^restore   .*\n {10}finished .* UTC\n {10}1 row of 1 table, .*, without the options of the user mapping for app2 SERVER far\n/,
    );
  });

  it('is printed by the backup and by the restore test', async () => {
    const backup = await runCli(['backup'], settings(as('dumper')));
    expect(backup.stdout).toContain(`verified, without ${OPTIONS}.\n`);
    expect(backup.stdout).toContain(
      `  note: ${OPTIONS}: only a superuser can read them, so pg_dump left them out.`,
    );
    const test = await runCli(['restore', 'test'], settings(url));
    expect([test.code, test.stdout.split('\n')[0]]).toEqual([
      0,
      expect.stringMatching(
        /^mapped_test_\d{8}_\d{6} PASSED its restore test, without the options of the user mapping for app2 SERVER far$/,
      ),
    ]);
  });

  it('a role that may not read the mappings at all assumes that each has options', async () => {
    const backup = await withBackups(settings(as('narrow')), (backups) => backups.create());
    expect(backup.without).toEqual([
      'the options of the user mappings for app2 SERVER far, dumper SERVER far',
    ]);
  });

  it('a superuser backs them up without a note; the newest backup that is not a safety backup is tested', async () => {
    const backup = await withBackups(settings(url), async (backups) => {
      const regular = await backups.create();
      await backups.create({ reason: 'pre-restore' });
      return regular;
    });
    expect([backup.without, backup.notes]).toEqual([[], []]);
    const test = await runCli(['restore', 'test'], settings(url));
    expect(test.stdout.split('\n')[0]).toBe(`${backup.name} PASSED its restore test`);
  });

  it('subscriptions, whose connection strings only a superuser may read', async () => {
    const fed = await createDatabase(own, 'fed');
    await query(
      fed,
      `CREATE TABLE t (id int PRIMARY KEY);
       CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 dbname=none password=${SECRET}' PUBLICATION p
         WITH (connect = false, slot_name = NONE)`,
    );
    const asDumper = changedUrl(fed, { username: 'dumper', password: 'pw' });
    const backup = await withBackups(settings(asDumper), (backups) => backups.create());
    expect([backup.without, backup.notes]).toEqual([
      ['the subscription feed'],
      [
        'the subscription feed: only a superuser can read them, so pg_dump left them out. Back up as a superuser, or keep the command that creates it: CREATE SUBSCRIPTION feed …;',
      ],
    ]);
    const tested = await withRestoreTests(settings(fed), (tests) => tests.run());
    expect([tested.verdict, tested.without, faultsOf(tested)]).toEqual([
      'passed',
      ['the subscription feed'],
      {},
    ]);
    const all = await withBackups(settings(fed), (backups) => backups.create());
    expect([all.without, all.notes]).toEqual([[], []]);
    const { verdict, without, notes } = await withRestoreTests(settings(fed), (tests) => tests.run());
    expect([verdict, without, notes]).toEqual([
      'passed',
      [],
      [
        'the subscription feed was left out, as in every restore: a second database must not replicate from the same publisher. The archive contains CREATE SUBSCRIPTION: `pg_restore --schema-only --file=- ARCHIVE`',
      ],
    ]);
    await query(fed, 'DROP SUBSCRIPTION feed');
  });

  it('rows of unlogged tables, on a standby', async () => {
    const unlogged = await createDatabase(own, 'unlogged');
    await query(unlogged, 'CREATE UNLOGGED TABLE cache AS SELECT 1 AS id; CREATE TABLE t AS SELECT 1 AS id');
    const standby = await startStandby(own);
    try {
      const backup = await withBackups(settings(standby.url('unlogged')), (backups) => backups.create());
      expect([backup.without, backup.notes]).toEqual([
        ['the rows of the unlogged table public.cache'],
        [
          'the rows of the unlogged table public.cache: a standby does not have them. Back up the primary to keep them.',
        ],
      ]);
    } finally {
      await standby.destroy();
    }
  });
});
