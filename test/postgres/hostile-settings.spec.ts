import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { BackupService } from '../../src/backup/backup.service.js';
import { ExportService } from '../../src/backup/export/export.service.js';
import { GlobalsService } from '../../src/backup/globals/globals.service.js';
import { DeployService, ResolveService, RollbackService } from '../../src/deploy/deploy.service.js';
import { DriftService } from '../../src/drift/drift.service.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { DdlGuardService } from '../../src/guard/ddl/ddl-guard.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import { RestoreService } from '../../src/restore/restore/restore.service.js';
import { RestoreTestService } from '../../src/restore/test/restore-test.service.js';
import { StatsService } from '../../src/stats/stats.service.js';
import { createClinic } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { withApp } from '../support/evaluate.js';
import { makeHostile, unhindered } from '../support/hostile-settings.js';
import { PgBouncer } from '../support/pgbouncer.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

let own: ThrowAwayCluster;
let url: string;
let application: DeployedApplication;
let environment: Record<string, string>;
let backup: string;

beforeAll(async () => {
  own = await startThrowAwayCluster();
  url = await createClinic(own, 'clinic', { seeded: true });
  await unhindered(url, (client) =>
    client.query(`
      CREATE TABLE awkward (id int PRIMARY KEY, at timestamptz DEFAULT '2026-02-03 04:05+00', day date DEFAULT '2026-02-03',
        span interval DEFAULT '-1 day 2 hours', raw bytea, text text, list text[], number float8);
      INSERT INTO awkward (id, raw, text, list, number) VALUES
        (1, '\\x00ff5c', 'Łódź – 東京 \\ ''q''', ARRAY['a', NULL, 'NULL'], 0.1::float8 + 0.2::float8);
      ANALYZE`),
  );
  application = new DeployedApplication(url);
  environment = {
    DATABASE_URL: url,
    MIGRATIONS_DIR: application.migrations,
    BACKUP_DIR: `${application.directory}/backups`,
    PATH: process.env['PATH'] ?? '',
  };
  await makeHostile(url);
});

afterAll(() => own.cluster.destroy());

it('installs, stamps and guards', async () => {
  await withApp(environment, async (app) => {
    expect((await app.get(InstallService).install()).applied.length).toBeGreaterThan(0);
    expect(await app.get(StampService).stamp('test')).toMatchObject({ changed: true, database: 'clinic' });
    await expect(app.get(DdlGuardService).install()).rejects.toMatchObject({ code: 'GUARD_REFUSED' });
  });
});

it('reports in /ready that the database is read-only for its application, and nothing else', async () => {
  await withApp(environment, async (app) => {
    const { verdict } = await app.get(ReadinessService).evaluate();
    expect(verdict.checks).toMatchObject({
      database: {
        ok: false,
        code: 'DATABASE_READ_ONLY',
        details: expect.stringContaining(
          'The server is read-only (default_transaction_read_only = on): switch that off, or point DATABASE_URL at the primary',
        ),
      },
      environment: { ok: true },
      migrations: { ok: true, details: '9/9 migrations applied' },
    });
    const stats = await app.get(StatsService).collect('exact');
    expect(stats.tables.find(({ name }) => name === 'public.awkward')).toMatchObject({
      rowCount: 1,
      rowCountIsExact: true,
    });
  });
});

it('backs up, and passes a restore test on a throw-away server', async () => {
  await withApp(environment, async (app) => {
    const report = await app.get(BackupService).create({ reason: 'manual' });
    backup = report.name;
    expect(await app.get(RestoreTestService).run({ backup })).toMatchObject({ verdict: 'passed' });
    expect((await app.get(GlobalsService).dump()).bytes).toBeGreaterThan(0);
    expect(
      (await app.get(ExportService).export(['awkward'], { directory: application.directory })).tables,
    ).toMatchObject([{ rows: 1 }]);
  });
});

it('passes a restore test on a server that has the same settings', async () => {
  const elsewhere = { ...environment, TEST_DATABASE_URL: own.cluster.url('postgres') };
  await withApp(elsewhere, async (app) => {
    expect(await app.get(RestoreTestService).run({ backup })).toMatchObject({ verdict: 'passed' });
  });
});

it('backs up and restores a plain dump', async () => {
  await withApp({ ...environment, BACKUP_FORMAT: 'plain' }, async (app) => {
    const { name } = await app.get(BackupService).create({ reason: 'manual' });
    expect(await app.get(RestoreTestService).run({ backup: name })).toMatchObject({ verdict: 'passed' });
  });
});

/** Times without a zone would be nine hours off. */
async function expectTimesOfNow(): Promise<void> {
  const { rows } = await unhindered(url, (client) =>
    client.query(`
      SELECT (SELECT pg_catalog.max(started_at) > pg_catalog.now() - interval '1 hour' FROM _prisma_migrations) AS history,
             (SELECT stamped_at BETWEEN pg_catalog.now() - interval '1 hour' AND pg_catalog.now()
                FROM pgkeep.database_environment) AS stamp`),
  );
  expect(rows).toEqual([{ history: true, stamp: true }]);
}

it('deploys, compares for drift, explains, and rolls back', async () => {
  application.add(
    '20270101000000_notes',
    'CREATE TABLE "notes" ("id" INT PRIMARY KEY, "text" TEXT NOT NULL DEFAULT \'a\\b\');',
    '-- pgkeep: loses notes\nDROP TABLE "notes";',
  );
  await withApp(environment, async (app) => {
    expect(await app.get(DeployService).deploy()).toMatchObject({ applied: ['20270101000000_notes'] });
    expect(await app.get(DriftService).report()).toMatchObject({ verdict: 'none' });
    expect((await app.get(ResolveService).explain()).migrations).toEqual([]);
  });
  const { rows } = await unhindered(url, (client) =>
    client.query(`INSERT INTO notes (id) VALUES (1) RETURNING text`),
  );
  expect(rows).toEqual([{ text: 'a\\b' }]);
  await withApp(environment, async (app) => {
    expect(await app.get(RollbackService).rollback({ lose: ['notes'], withoutBackup: true })).toMatchObject({
      migration: '20270101000000_notes',
    });
  });
  application.remove('20270101000000_notes');
  await expectTimesOfNow();
});

it('runs jobs, and writes the audit log', async () => {
  await withApp(environment, async (app) => {
    const jobs = app.get(JobsService);
    await jobs.register([{ name: 'backup', schedule: '0 2 * * * UTC' }]);
    const run = await jobs.begin({ job: 'backup', holder: 'test', leaseMs: 60_000 }, 'manual', {});
    if (!run) throw new Error('not begun');
    expect(await jobs.renew(run, 60_000)).toBe(true);
    expect(await jobs.finish(run, { state: 'succeeded' })).toBe(true);
    expect(await app.get(AuditLogService).verify()).toMatchObject({ findings: [] });
  });
});

it('queries, runs jobs and stamps through a transaction pooler', async () => {
  const pooler = await PgBouncer.start(own, {
    pool_mode: 'transaction',
    default_pool_size: 2,
    ignore_startup_parameters: 'extra_float_digits',
  });
  try {
    await withApp({ ...environment, DATABASE_URL: pooler.url('clinic') }, async (app) => {
      const { verdict } = await app.get(ReadinessService).evaluate();
      expect(verdict.checks).toMatchObject({
        database: { code: 'DATABASE_READ_ONLY' },
        environment: { ok: true },
        migrations: { ok: true },
      });
      expect((await app.get(StatsService).collect('exact')).tables.length).toBeGreaterThan(3);
      const jobs = app.get(JobsService);
      const run = await jobs.begin({ job: 'backup', holder: 'test', leaseMs: 60_000 }, 'manual', {});
      if (!run) throw new Error('not begun');
      expect(Date.parse(run.startedAt ?? '')).toBeGreaterThan(Date.now() - 60_000);
      expect(await jobs.finish(run, { state: 'succeeded' })).toBe(true);
      const stamped = await app.get(StampService).stamp('staging', { replace: true, target: 'clinic' });
      expect(stamped).toMatchObject({ changed: true });
      await app.get(StampService).stamp('test', { replace: true, target: 'clinic' });
    });
  } finally {
    await pooler.stop();
  }
  await expectTimesOfNow();
});

it('restores during an incident, and single tables into an additional database', async () => {
  await withApp(environment, async (app) => {
    const restored = await app.get(RestoreService).restore({ source: backup });
    expect(restored.comparisons.filter(({ ok }) => !ok)).toEqual([]);
    await app.get(RestoreService).restoreTables({ source: backup, tables: ['awkward'], into: 'beside' });
  });
  const { rows } = await unhindered(url, (client) =>
    client.query(`SELECT raw::text, text, list, number FROM awkward`),
  );
  expect(rows).toEqual([
    { raw: '\\x00ff5c', text: "Łódź – 東京 \\ 'q'", list: ['a', null, 'NULL'], number: 0.30000000000000004 },
  ]);
});
