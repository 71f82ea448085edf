import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query, verified } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { findingsOf, look } from './look.js';
import type { Replica } from './replica.js';
import { SampledCluster } from './sampled-cluster.js';

describe('what the history of a database says about its future', () => {
  let sampled: SampledCluster;
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    sampled = await SampledCluster.start('outlook', {
      settings: { shared_preload_libraries: 'pg_stat_statements' },
    });
    own = sampled.own;
  });
  beforeEach(async () => {
    url = await sampled.nextDatabase();
  });
  afterEach(async () => {
    await sampled.closeReplicas();
  });
  afterAll(() => sampled.destroy());

  async function open(environment: Readonly<Record<string, string>> = {}): Promise<Replica> {
    return await sampled.open(url, environment);
  }

  const textsOf = ({ report }: MonitorSample): Record<string, string> =>
    Object.fromEntries((report?.forecasts ?? []).map(({ what, text }) => [what, text]));

  it('is a disk that fills, by DB_STORAGE_LIMIT, and a key that runs out, by their own growth', async () => {
    await query(
      url,
      `INSERT INTO pgkeep.sample (step, at, vitals)
       SELECT 360, now() - day * interval '1 day', jsonb_build_object('sizeBytes', 8000000 - day * 100000, 'idsUsed', jsonb_build_array(0, 0.8 - day * 0.01))
         FROM generate_series(1, 20) day;
       CREATE TABLE "Events" (id serial PRIMARY KEY); SELECT setval('"Events_id_seq"', 1717986918);
       CREATE TABLE grown (); INSERT INTO pgkeep.table_size VALUES (now()::date - 20, 'public.grown', 1000, 1), (now()::date - 1, 'public.grown', 2049000, 1);`,
    );
    const { rows } = await query(url, 'SELECT pg_database_size(current_database())::float8 AS bytes');
    // 2 MB to go, at 100 kB a day.
    const limit = Math.ceil((Number(rows[0]?.bytes) + 2_000_000) / 1e6);
    const sample = await (await open({ DB_STORAGE_LIMIT: `${limit}MB` })).step();
    const texts = textsOf(sample);
    expect(texts['disk']).toMatch(/^\d+\.\d MB are reached in about 2\d days, at 97\.7 kB a day\.$/);
    expect(texts['ids']).toBe('"Events".id has used 80 % of its numbers, and all of them in about 20 days.');
    expect(sample.findings.filter(({ code }) => code === 'DISK_FILLS')).toEqual([
      {
        code: 'DISK_FILLS',
        severity: 'warning',
        subject: '',
        text: expect.stringMatching(/, at 97\.7 kB a day; it grew most in grown \(2\.0 MB\)$/),
        remedy: expect.any(String),
        sql: null,
      },
    ]);
    expect(sample.report?.storage).toEqual({ limitBytes: limit * 1e6, usedShare: expect.closeTo(0.8, 0) });
  });

  it('is the disk of the database’s own machine where no limit is set', async () => {
    const { report } = await (await open()).step();
    // As another user than the server's, pgkeep cannot read the directory, and knows no limit.
    const { limitBytes, usedShare } = report?.storage ?? {};
    expect([limitBytes === null, usedShare === null]).toEqual(
      process.getuid?.() === 0 ? [false, false] : [limitBytes === null, limitBytes === null],
    );
  });

  it('is an index that was not used in 30 days, by the daily record', async () => {
    await query(
      url,
      `CREATE TABLE wide (id bigint PRIMARY KEY, a text, b text, c text);
       INSERT INTO wide SELECT n, md5(n::text) || md5(n::text), md5(n::text) || md5(n::text), '' FROM generate_series(1, 130000) n;
       CREATE INDEX unused ON wide (a); CREATE INDEX used ON wide (b); CREATE INDEX young ON wide (a, b); CREATE INDEX small ON wide (c);
       ANALYZE wide;
       INSERT INTO pgkeep.index_scans VALUES (now()::date - 31, 'public.unused', 0), (now()::date - 31, 'public.used', 0),
         (now()::date - 29, 'public.young', 0), (now()::date - 31, 'public.small', 0);`,
    );
    await query(url, `SET enable_seqscan = off; SELECT count(*) FROM wide WHERE b = 'x'`);
    const replica = await open();
    await replica.step();
    const scans = await query(
      url,
      'SELECT name, scans::int FROM pgkeep.index_scans WHERE day = now()::date ORDER BY 1',
    );
    expect(scans.rows).toEqual([
      { name: 'public.unused', scans: 0 },
      { name: 'public.used', scans: 1 },
      { name: 'public.young', scans: 0 },
    ]);
    const sizes = await query(url, 'SELECT name, rows::int FROM pgkeep.table_size WHERE day = now()::date');
    expect(sizes.rows).toEqual([{ name: 'public.wide', rows: 130_000 }]);
    const { report, findings } = await replica.step();
    expect(report?.unseen).toEqual([]);
    expect(findings.filter(({ code }) => code === 'INDEX_UNUSED')).toEqual([
      {
        code: 'INDEX_UNUSED',
        severity: 'info',
        subject: 'unused',
        text: expect.stringMatching(/^unused of wide has 1\d\.\d MB and was not used in 31 days$/),
        remedy: 'Drop the index, unless a report that runs seldom needs it.',
        sql: 'DROP INDEX CONCURRENTLY unused;',
      },
    ]);
  });

  it('is how long statements usually take at this hour', async () => {
    await query(
      url,
      `INSERT INTO pgkeep.sample (step, at, vitals)
       SELECT 15, date_trunc('hour', now()) - day * interval '1 day' + quarter * interval '15 min', jsonb_build_object('meanStatementMs', jsonb_build_array(day, 100))
         FROM generate_series(1, 28) day, generate_series(0, 3) quarter`,
    );
    const replica = await open();
    const { report } = await replica.step();
    if (!report) throw new Error('there is no report');
    const slow = { ...report, vitals: { ...report.vitals, meanStatementMs: 90, statementsPerSecond: 5 } };
    for (let minute = 0; minute < 20; minute += 1) {
      replica.history.add({ report: slow, probeMs: 1, now: new Date(Date.now() + minute * 60_000) });
    }
    const { findings } = await replica.step();
    // Of the same weekday: 7, 14, 21 and 28 days ago.
    expect(findings.find(({ code }) => code === 'PERFORMANCE_DEGRADED')?.text).toBe(
      'Statements take 90.0 ms on average, usually 17.5 ms at this time',
    );
  });

  it('is a certificate that expires, and the support of the server', async () => {
    const report = await look(verified(own, url));
    expect(report.forecasts.filter(({ what }) => what === 'certificate' || what === 'support')).toEqual([
      {
        what: 'certificate',
        subject: '127.0.0.1',
        breaksAt: expect.any(String),
        range: null,
        text: expect.stringMatching(/^The certificate of 127\.0\.0\.1 expires on \d{4}-\d\d-\d\d\.$/),
      },
      {
        what: 'support',
        subject: 'PostgreSQL 15',
        breaksAt: '2027-11-11T00:00:00.000Z',
        range: null,
        text: 'PostgreSQL 15 gets no fixes after 2027-11-11.',
      },
    ]);
    expect(findingsOf(report, 'CERTIFICATE_EXPIRES')).toEqual([
      expect.stringMatching(
        /^critical 127\.0\.0\.1: The certificate of 127\.0\.0\.1 expires on \d{4}-\d\d-\d\d$/,
      ),
    ]);
  });

  it('is how long the newest restore test counts, and room for backups', async () => {
    const backups = { BACKUP_ENABLED: 'true', BACKUP_RETENTION_DAYS: '7', BACKUP_DIR: backupDirectory() };
    const environment = { ...backups, DATABASE_URL: url, TEST_DATABASE_URL: own.cluster.url('postgres') };
    expect(await runCli(['stamp', 'development'], environment)).toMatchObject({ code: 0 });
    expect(await runCli(['backup'], environment)).toMatchObject({ code: 0 });
    expect(await runCli(['restore', 'test'], environment)).toMatchObject({ code: 0 });
    const sample = await (await open(backups)).step();
    expect(textsOf(sample)['restore-test']).toMatch(
      /^The newest restore test counts until \d{4}-\d\d-\d\d\.$/,
    );
    expect(sample.findings.filter(({ code }) => code === 'BACKUP_DISK_FILLS')).toEqual([]);
  });
});

describe('slow statements', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('are not known where the server does not load the extension', async () => {
    const url = await createDatabase(own, 'not_loaded');
    await query(url, 'CREATE EXTENSION pg_stat_statements');
    const report = await look(url);
    expect(findingsOf(report, 'STATEMENTS_UNKNOWN')).toEqual([
      'info : Slow statements are not known: pg_stat_statements is installed, but the server does not load it',
    ]);
    expect(report.unseen).toEqual([]);
  });
});
