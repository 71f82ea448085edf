import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { BackupService } from '../../src/backup/backup.service.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { readSettings } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { withConnection } from '../../src/postgres/connect.js';
import { hashOf, type NewestEvidences, readNewestEvidence } from '../../src/restore/test/evidence.js';
import { RestoreTestService } from '../../src/restore/test/restore-test.service.js';
import { backupDirectory, stockPsql, withBackups } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { faultsOf, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const TIMEOUTS = { statementTimeoutMs: 5000, lockTimeoutMs: 1000 };

describe('the evidence of restore tests', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    clinic = await createClinic(own, 'clinic', { seeded: true });
    await query(clinic, `CREATE ROLE reader LOGIN PASSWORD 'reader-secret'`);
    environment = {
      NODE_ENV: 'staging',
      DATABASE_URL: clinic,
      BACKUP_DIR: backupDirectory(),
      TEST_DATABASE_URL: own.cluster.url('postgres'),
    };
  });
  afterAll(() => own.cluster.destroy());

  async function newest(url: string): Promise<NewestEvidences | undefined> {
    const options = { connectTimeoutMs: 5000, answerTimeoutMs: 5000, applicationName: 'test' };
    const asReader = changedUrl(url, { username: 'reader', password: 'reader-secret' });
    return await withConnection(parseDatabaseUrl(asReader), options, (client) =>
      readNewestEvidence(client, TIMEOUTS),
    );
  }

  it('is kept only beside the backup if the database cannot record it, which is reported', async () => {
    const backup = await withBackups(environment, (backups) => backups.create());
    const report = await withRestoreTests(environment, (tests) => tests.run());
    expect(report).toMatchObject({
      verdict: 'passed',
      number: null,
      notRecorded: 'table pgkeep.restore_test does not exist, run `pgkeep install`',
      previousHash: null,
    });
    const file = path.join(environment['BACKUP_DIR'] ?? '', `${backup.name}.restore-test.json`);
    const { hash, ...evidence } = JSON.parse(readFileSync(file, 'utf8'));
    expect([hash, hash]).toEqual([report.hash, hashOf(evidence)]);
    expect(await newest(clinic)).toBeUndefined();
    const { backups } = await withBackups(environment, (service) => service.list());
    expect(backups[0]?.restoreTest).toBe('passed');
  });

  it('is recorded in the database, chained, and in the audit log', async () => {
    for (const argv of [['install'], ['stamp', 'staging']]) await runCli(argv, environment);
    expect(await newest(clinic)).toEqual({ newest: undefined, newestPassed: undefined });
    const reports = [];
    for (let round = 0; round < 3; round += 1) {
      reports.push(await withRestoreTests(environment, (tests) => tests.run({ actor: 'auditor' })));
    }
    expect(reports.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(reports[0]?.previousHash).toBe('0'.repeat(64));
    expect(reports[2]?.previousHash).toBe(reports[1]?.hash);
    expect(await newest(clinic)).toEqual({
      newest: {
        backup: reports[2]?.backup,
        verdict: 'passed',
        without: [],
        finishedAt: new Date(reports[2]?.finishedAt ?? 0),
        restoreMs: reports[2]?.restoreMs,
      },
      newestPassed: expect.objectContaining({ verdict: 'passed' }),
    });
    const log = await runCli(['changelog', '--json'], environment);
    expect(JSON.parse(log.stdout).entries.at(-1)).toMatchObject({
      action: 'restore-test',
      subject: reports[2]?.backup,
      actor: 'auditor',
      details: { verdict: 'passed', number: 3, hash: reports[2]?.hash },
    });
    const history = await runCli(['restore', 'history'], environment);
    expect(history.code).toBe(0);
    expect(history.stdout).toMatch(/\nThe chain of evidence \(3 tests\) is intact\.\n$/);
    expect(await runCli(['restore', 'tests'], environment)).toEqual(history);
  });

  it('is listed by `restore history`; the help does not show the earlier spelling `restore tests`', async () => {
    const { stdout } = await runCli(['restore', '--help'], environment);
    expect(stdout).toMatch(/^ {2}test .*\n(?: {3}.*\n)* {2}history /m);
    expect(stdout).not.toMatch(/^ {2}tests /m);
    expect(JSON.parse(readFileSync('package.json', 'utf8')).scripts).toMatchObject({
      'db:restore:history': 'node dist/cli.js restore history',
    });
  });

  it('is recorded one after the other for two concurrent tests', async () => {
    const reports = await withRestoreTests(environment, (tests) => Promise.all([tests.run(), tests.run()]));
    expect(new Set(reports.map(({ number }) => number))).toEqual(new Set([4, 5]));
    expect((await runCli(['restore', 'history'], environment)).code).toBe(0);
  });

  it('cannot be changed, removed or forged; a superuser’s changes are found', async () => {
    for (const sql of [
      `UPDATE pgkeep.restore_test SET verdict = 'failed'`,
      'DELETE FROM pgkeep.restore_test',
      'TRUNCATE pgkeep.restore_test',
    ]) {
      await expect(query(clinic, sql)).rejects.toMatchObject({ code: 'PK001' });
    }
    await expect(
      query(
        clinic,
        `INSERT INTO pgkeep.restore_test (evidence, hash) SELECT evidence, hash FROM pgkeep.restore_test WHERE id = 1`,
      ),
    ).rejects.toMatchObject({ code: 'PK002' });
    await query(
      clinic,
      `ALTER TABLE pgkeep.restore_test DISABLE TRIGGER ALL;
       UPDATE pgkeep.restore_test SET evidence = jsonb_set(evidence, '{verdict}', '"failed"') WHERE id = 2;
       ALTER TABLE pgkeep.restore_test ENABLE TRIGGER ALL`,
    );
    const history = await runCli(['restore', 'history'], environment);
    expect(history.code).toBe(1);
    expect(history.stdout).toMatch(
      /\nThe chain of evidence \(5 tests\) is BROKEN: evidence 2 was changed after it was recorded\.\n$/,
    );
  });

  it('of an earlier version stays verifiable, and new evidence continues its chain', async () => {
    const url = await createDatabase(own, 'earlier');
    await stockPsql(readFileSync('test/fixtures/earlier-version/database.sql'), url);
    const earlier = {
      ...environment,
      NODE_ENV: 'development',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
    };
    // The database is a copy: its stamp names another one.
    for (const argv of [['install'], ['stamp', 'development']]) await runCli(argv, earlier);
    const before = await runCli(['restore', 'history'], earlier);
    expect(before.code).toBe(0);
    expect(before.stdout).toMatch(/\nThe chain of evidence \(2 tests\) is intact\.\n$/);
    await withBackups(earlier, (backups) => backups.create());
    const report = await withRestoreTests(earlier, (tests) => tests.run());
    expect(report).toMatchObject({ verdict: 'passed', number: 3 });
    const after = await runCli(['restore', 'history', '--json'], earlier);
    expect(JSON.parse(after.stdout)).toMatchObject({ total: 3, chainFault: null });
  });

  it('of another environment’s backup does not count here', async () => {
    const url = await createDatabase(own, 'copied', 'clinic');
    await query(url, `UPDATE pgkeep.database_environment SET environment = 'production'`);
    expect(await newest(url)).toEqual({ newest: undefined, newestPassed: undefined });
  });

  it('says failed if the test reached its time limit', async () => {
    const url = await createDatabase(own, 'slow');
    await query(
      url,
      `CREATE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';
       CREATE TABLE t (i int CHECK (slow(i))); INSERT INTO t VALUES (1);
       CREATE OR REPLACE FUNCTION slow(int) RETURNS boolean LANGUAGE sql AS 'SELECT pg_sleep(60) IS NOT NULL'`,
    );
    const settings = readSettings({ ...environment, DATABASE_URL: url, PATH: process.env['PATH'] });
    const limited = { ...settings, restore: { ...settings.restore, testTimeoutMs: 3000 } };
    const app = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(limited)] }).compile();
    app.useLogger(false);
    try {
      const { name } = await app.get(BackupService).create();
      const report = await app.get(RestoreTestService).run({ backup: name });
      expect(faultsOf(report)).toEqual({
        restore: 'the test was stopped after 0.05 minutes (RESTORE_TEST_TIMEOUT_MINUTES)',
      });
      expect(report.verdict).toBe('failed');
    } finally {
      await app.close();
    }
    const left = await query(url, `SELECT FROM pg_database WHERE datname LIKE 'pgkeep%'`);
    expect(left.rows).toEqual([]);
  });
});
