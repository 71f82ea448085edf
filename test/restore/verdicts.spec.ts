import { copyFileSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupReport } from '../../src/backup/backup.types.js';
import type { RestoreTestReport } from '../../src/restore/test/restore-test.types.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { faultsOf, replaceArchive, signManifest, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** What must fail a restore test, and what must pass it. */
describe('the verdict of a restore test', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await query(
      clinic,
      `CREATE EXTENSION pgcrypto;
       CREATE TABLE ledger (id bigserial PRIMARY KEY, amount numeric NOT NULL CHECK (amount > 0), child_of bigint
                              CONSTRAINT in_ledger REFERENCES ledger);
       INSERT INTO ledger (amount, child_of) SELECT i, nullif(i - 1, 0) FROM generate_series(1, 500) i;
       CREATE INDEX ledger_amount ON ledger (amount);
       CREATE FUNCTION check_ledger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
       CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION check_ledger()`,
    );
    environment = { DATABASE_URL: clinic, TEST_DATABASE_URL: own.cluster.url('postgres') };
  });
  afterAll(() => own.cluster.destroy());

  async function backedUp(url = clinic): Promise<BackupReport> {
    environment['BACKUP_DIR'] = backupDirectory();
    environment['DATABASE_URL'] = url;
    return await withBackups(environment, (backups) => backups.create());
  }

  async function tested(backup: BackupReport): Promise<RestoreTestReport> {
    return await withRestoreTests(environment, (tests) => tests.run({ backup: backup.name }));
  }

  /** Tests a backup of the clinic that holds the archive of a changed clinic. */
  async function testedWith(change: string): Promise<RestoreTestReport> {
    const backup = await backedUp();
    const name = `changed_${Math.random().toString(36).slice(2)}`;
    const changed = await createDatabase(own, name, 'clinic');
    await query(changed, change);
    await replaceArchive(backup, changed);
    await query(clinic, `DROP DATABASE ${name}`);
    return await tested(backup);
  }

  it('passes the clinic, and leaves no database behind', async () => {
    const report = await tested(await backedUp());
    expect(faultsOf(report)).toEqual({});
    expect(report).toMatchObject({ verdict: 'passed', restoredTo: 'fresh database', notes: [] });
    expect(report.tables.find(({ name }) => name === 'public.ledger')).toEqual({
      name: 'public.ledger',
      expectedRows: 500,
      foundRows: 500,
      sameContents: true,
    });
    const left = await query(clinic, `SELECT datname FROM pg_database WHERE datname LIKE 'pgkeep%'`);
    expect(left.rows).toEqual([]);
  });

  it('passes a database of difficult objects, owners included, in a throw-away cluster', async () => {
    const url = await createDatabase(own, 'awkward');
    await query(url, readFileSync('test/support/awkward.sql', 'utf8'));
    await query(
      url,
      `CREATE ROLE "odd ""role"; CREATE ROLE auditor; CREATE TABLE owned (id int); ALTER TABLE owned OWNER TO "odd ""role";
       GRANT SELECT ON owned TO auditor WITH GRANT OPTION; SET ROLE auditor; GRANT SELECT ON owned TO PUBLIC; RESET ROLE;
       ALTER DEFAULT PRIVILEGES FOR ROLE "odd ""role" GRANT SELECT ON TABLES TO auditor;
       CREATE POLICY seen ON guarded_rows TO auditor, "odd ""role" USING (true)`,
    );
    const backup = await backedUp(url);
    const { TEST_DATABASE_URL: _unset, ...own_ } = environment;
    const report = await withRestoreTests(own_, (tests) => tests.run({ backup: backup.name }));
    expect(faultsOf(report)).toEqual({});
    expect(report).toMatchObject({ verdict: 'passed', restoredTo: 'throw-away cluster', notes: [] });
    expect(report.comparisons.find(({ name }) => name === 'foreignKeys')?.details).toBe(
      '3 foreign keys, no orphaned rows; foreign key unchecked of public.orphans is NOT VALID (1 orphaned row, as in the backup)',
    );
  });

  it.each([
    ['LATIN1', `ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`],
    ['SQL_ASCII', `ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`],
    ['ICU', `ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'sv-SE' LOCALE 'C'`],
  ])('passes a database of %s, which is restored into one of the same kind', async (name, options) => {
    const database = `of_${name.toLowerCase()}`;
    await query(own.cluster.url('postgres'), `CREATE DATABASE ${database} TEMPLATE template0 ${options}`);
    const url = own.cluster.url(database);
    await query(url, `CREATE TABLE t (v text PRIMARY KEY); INSERT INTO t VALUES ('z'), ('a')`);
    if (name !== 'UTF8')
      await query(url, `INSERT INTO t VALUES (convert_from('\\x61'::bytea, 'LATIN1') || 'b')`);
    for (const format of ['custom', 'plain']) {
      for (const testUrl of [own.cluster.url('postgres'), '']) {
        environment['BACKUP_FORMAT'] = format;
        const backup = await backedUp(url);
        const report = await withRestoreTests({ ...environment, TEST_DATABASE_URL: testUrl }, (tests) =>
          tests.run({ backup: backup.name }),
        );
        expect(faultsOf(report)).toEqual({});
      }
    }
    delete environment['BACKUP_FORMAT'];
  });

  it('fails on one row removed', async () => {
    const report = await testedWith('DELETE FROM ledger WHERE id = 500');
    expect(report.verdict).toBe('failed');
    expect(faultsOf(report)).toEqual({
      rows: 'public.ledger has 499 rows, expected 500',
      contents: 'the rows of public.ledger have other contents',
    });
  });

  it('fails on one changed value with the same number of rows', async () => {
    const report = await testedWith('UPDATE ledger SET amount = 7.5 WHERE id = 7');
    expect(faultsOf(report)).toEqual({ contents: 'the rows of public.ledger have other contents' });
  });

  it('fails on a dropped index', async () => {
    expect(faultsOf(await testedWith('DROP INDEX ledger_amount'))).toEqual({
      indexes:
        'index public.ledger_amount is missing: CREATE INDEX ledger_amount ON public.ledger USING btree amount',
    });
  });

  it('fails on a constraint that is gone, and on one that is no longer validated', async () => {
    expect(Object.keys(faultsOf(await testedWith('ALTER TABLE ledger DROP CONSTRAINT in_ledger')))).toEqual([
      'constraints',
      'triggers',
    ]);
    const unchecked = await testedWith(
      `ALTER TABLE ledger DROP CONSTRAINT in_ledger;
       ALTER TABLE ledger ADD CONSTRAINT in_ledger FOREIGN KEY (child_of) REFERENCES ledger NOT VALID`,
    );
    expect(faultsOf(unchecked)['constraints']).toMatch(
      /^constraint in_ledger of public\.ledger differs: restored as "FOREIGN KEY .* NOT VALID", expected "FOREIGN KEY [^"]*"$/,
    );
  });

  it('fails on a trigger that is disabled', async () => {
    const report = await testedWith('ALTER TABLE ledger DISABLE TRIGGER checked');
    expect(faultsOf(report)).toEqual({
      triggers: expect.stringMatching(
        /^trigger checked of public\.ledger differs: restored as "disabled, CREATE .*", expected "enabled, CREATE .*"$/,
      ),
    });
  });

  it('reports a disabled foreign key, which pg_dump does not record and a restore enables', async () => {
    const url = await createDatabase(own, 'unchecked', 'clinic');
    await query(url, 'ALTER TABLE ledger DISABLE TRIGGER ALL');
    const report = await tested(await backedUp(url));
    expect(report.verdict).toBe('passed');
    expect(report.comparisons.find(({ name }) => name === 'triggers')?.details).toContain(
      'foreign key in_ledger of public.ledger is enabled again: a dump does not record that it was disabled',
    );
  });

  it('fails on a validated foreign key with orphans, which a restore cannot create', async () => {
    const report = await testedWith(
      `ALTER TABLE ledger DISABLE TRIGGER ALL; DELETE FROM ledger WHERE id = 250; ALTER TABLE ledger ENABLE TRIGGER ALL`,
    );
    expect(faultsOf(report)['restore']).toMatch(
      /insert or update on table "ledger" violates foreign key constraint "in_ledger"/,
    );
  });

  it('fails on an additional table and a missing one', async () => {
    const faults = faultsOf(await testedWith('CREATE TABLE extra (); DROP TABLE ledger'));
    expect(faults['tables']).toBe('table public.ledger is missing; table public.extra is not in the backup');
    expect(Object.keys(faults)).toEqual(
      expect.arrayContaining(['relations', 'columns', 'constraints', 'indexes', 'sequences']),
    );
  });

  it('fails on a sequence that is behind', async () => {
    expect(faultsOf(await testedWith(`SELECT setval('ledger_id_seq', 400)`))).toEqual({
      sequences: 'sequence public.ledger_id_seq is at 400, expected 500 or later',
    });
  });

  it('fails on a different migration history', async () => {
    const faults = faultsOf(
      await testedWith(
        `UPDATE _prisma_migrations SET checksum = 'edited' WHERE migration_name = (SELECT max(migration_name) FROM _prisma_migrations)`,
      ),
    );
    expect(faults['migrations']).toMatch(/^migration \d+_\w+ has another checksum$/);
  });

  it('fails on an extension that is missing in the archive, and names one that the server does not have', async () => {
    expect(faultsOf(await testedWith('DROP EXTENSION pgcrypto'))).toEqual({
      extensions: expect.stringMatching(/^extension pgcrypto is missing: version [\d.]+ in schema public$/),
    });
    const backup = await backedUp();
    const archive = readFileSync(backup.archive);
    // The same length: the table of contents of an archive is not compressed.
    writeFileSync(backup.archive, archive.toString('latin1').replaceAll('pgcrypto', 'pgcrypta'), 'latin1');
    signManifest(backup);
    expect(faultsOf(await tested(backup))['restore']).toMatch(/extension "pgcrypta" is not available/);
  });

  it('fails on an archive that was cut, that has one bit flipped, or is another backup’s', async () => {
    const backup = await backedUp();
    const intact = readFileSync(backup.archive);
    truncateSync(backup.archive, Math.floor(intact.length * 0.9));
    expect(faultsOf(await tested(backup))).toEqual({
      archive: expect.stringMatching(/ is damaged: \d+ bytes are stored, \d+ were dumped; sha256 /),
    });
    const flipped = Buffer.from(intact);
    flipped[5000] = (flipped[5000] ?? 0) ^ 1;
    writeFileSync(backup.archive, flipped);
    expect(faultsOf(await tested(backup))).toEqual({
      archive: expect.stringContaining('is damaged'),
    });
    await query(clinic, `INSERT INTO ledger (amount) VALUES (1)`);
    const other = await withBackups(environment, (backups) => backups.create());
    await query(clinic, `DELETE FROM ledger WHERE id > 500; SELECT setval('ledger_id_seq', 500)`);
    copyFileSync(other.archive, backup.archive);
    expect(Object.keys(faultsOf(await tested(backup)))).toEqual(['archive']);
    signManifest(backup);
    expect(faultsOf(await tested(backup))).toMatchObject({
      rows: 'public.ledger has 501 rows, expected 500',
    });
  });

  it('fails on a cut archive whose digest was adjusted', async () => {
    const backup = await backedUp();
    truncateSync(backup.archive, Math.floor(backup.bytes * 0.6));
    signManifest(backup);
    expect(faultsOf(await tested(backup))['restore']).toMatch(/^pg_restore ended with exit code 1: /);
    expect(
      readdirSync(environment['BACKUP_DIR'] ?? '').filter((name) => name.includes('restore-test')),
    ).toEqual([`${backup.name}.restore-test.json`]);
  });
});
