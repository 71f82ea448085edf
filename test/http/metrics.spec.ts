import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LazyModuleLoader } from '@nestjs/core';
import request from 'supertest';
import { InstallService } from '../../src/install/install.service.js';
import { MaintenanceService } from '../../src/maintenance/maintenance.service.js';
import type { Metric } from '../../src/metrics/metric.js';
import { METRICS } from '../../src/metrics/metrics.service.js';
import { MonitoringModule } from '../../src/monitoring/monitoring.module.js';
import { MonitorWatch } from '../../src/monitoring/watch/monitor-watch.js';
import { ReadinessMonitor } from '../../src/readiness/readiness-monitor.js';
import { backupDirectory } from '../support/backups.js';
import { createGuarded, execute, type GuardedDatabase } from '../support/guarded-database.js';
import { faultsOf } from '../support/openapi-faults.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { type Exposition, parseExposition } from '../support/prometheus-text.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService, withService } from '../support/watched-service.js';

const METRICS_TOKEN = 'a-scraper-of-more-than-thirty-two-characters';
/** pg_restore refuses a name with a newline. */
const DATABASE = String.raw`orchard "north" \ № 1`;
const DOWN = { DATABASE_URL: 'postgresql://u@127.0.0.1:1/db' };

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

async function scrape(url: string): Promise<Exposition> {
  const { status, text } = await request(url).get('/metrics').set(bearer(METRICS_TOKEN));
  expect(status).toBe(200);
  return parseExposition(text);
}

describe('/metrics', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let service: WatchedService;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: { log_statement: 'all', log_line_prefix: '[%a] ' } });
    guarded = await createGuarded(own, DATABASE);
    service = await WatchedService.start({
      DATABASE_URL: guarded.url,
      MIGRATIONS_DIR: guarded.migrationsDirectory,
      METRICS_TOKEN,
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      BACKUP_ENABLED: 'true',
      BACKUP_DIR: backupDirectory(),
      BACKUP_SCHEDULE: '0 2 * * *',
      // Every evaluation is begun by the test, so that the statements that a scrape would cause can be counted.
      READINESS_REFRESH_MS: '3600000',
      READINESS_TIMEOUT_MS: '10000',
      TEST_DATABASE_URL: own.cluster.url('postgres'),
      DB_MONITORING_ENABLED: 'true',
    });
    await service.app.get(InstallService).install();
    await service.app.get(ReadinessMonitor).refresh();
  });
  afterAll(async () => {
    await service.close();
    await own.cluster.destroy();
  });

  /** The statements of pgkeep that the server logged. */
  function statements(): number {
    return [
      ...readFileSync(own.cluster.logFile, 'utf8').matchAll(
        /^\[pgkeep[^\]]*\] LOG: {2}(?:statement|execute)/gm,
      ),
    ].length;
  }

  it('is Prometheus’ text format, with a name of the database that tries to break it', async () => {
    const answer = await request(service.url).get('/metrics').set(bearer(METRICS_TOKEN));
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'no-store',
    ]);
    const read = parseExposition(answer.text);
    expect(read.of('pgkeep_build_info')).toEqual([
      {
        name: 'pgkeep_build_info',
        labels: {
          version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
          server: expect.stringMatching(/^15\.\d+$/),
          environment: 'test',
          database: DATABASE,
        },
        value: 1,
      },
    ]);
    expect([
      read.value('pgkeep_up'),
      read.value('pgkeep_ready'),
      read.value('pgkeep_check_ok', { check: 'database' }),
    ]).toEqual([1, 1, 1]);
    expect(read.by('pgkeep_migrations')).toEqual({
      applied: 1,
      pending: 0,
      failed: 0,
      rolled_back: 0,
      edited: 0,
      unknown: 0,
    });
    expect([read.value('pgkeep_backups'), read.value('pgkeep_backup_newest_timestamp_seconds')]).toEqual([
      0,
      undefined,
    ]);
    expect(read.value('pgkeep_backup_next_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
  });

  it('uses declared names, types and labels only, and fewer than 100 series', async () => {
    const read = await scrape(service.url);
    const declared = new Map<string, Metric>(METRICS.map((metric) => [metric.name, metric]));
    expect([...read.types]).toEqual([...read.types].map(([name]) => [name, declared.get(name)?.type]));
    for (const { name, labels } of read.series)
      expect(Object.keys(labels)).toEqual(declared.get(name)?.labels);
    expect(read.series.length).toBeLessThan(100);
  });

  it('comes from memory: 50 scrapes send the database no statement', async () => {
    let before = -1;
    // The watches beside the evaluations have ended when nothing was sent for a second.
    await until(async () => {
      const now = statements();
      await sleep(1000);
      const isQuiet = now === before;
      before = now;
      return isQuiet && now === statements();
    });
    expect(before).toBeGreaterThan(5);
    for (let count = 0; count < 50; count += 1) await scrape(service.url);
    expect(statements()).toBe(before);
    await service.app.get(ReadinessMonitor).refresh();
    expect(statements()).toBeGreaterThan(before);
  });

  it('follows backups, restore tests and the runs of the jobs', async () => {
    const maintenance = service.app.get(MaintenanceService);
    for (const job of ['backup', 'restore-test'] as const) {
      const { id } = await maintenance.begin(job);
      await until(async () => (await maintenance.find(id)).state !== 'running');
      expect(await maintenance.find(id)).toMatchObject({ state: 'succeeded', error: null });
    }
    const monitor = service.app.get(ReadinessMonitor);
    let read = await scrape(service.url);
    await until(async () => {
      await monitor.refresh();
      read = await scrape(service.url);
      return (
        read.value('pgkeep_restore_test_ok') === 1 &&
        read.by('pgkeep_job_succeeded_timestamp_seconds')['restore-test'] !== undefined
      );
    });
    const minuteAgo = Date.now() / 1000 - 60;
    expect(read.value('pgkeep_backups')).toBe(1);
    expect(read.value('pgkeep_backup_newest_timestamp_seconds')).toBeGreaterThan(minuteAgo);
    expect(read.value('pgkeep_backup_newest_size_bytes')).toBeGreaterThan(1000);
    expect(read.value('pgkeep_restore_test_passed_timestamp_seconds')).toBeGreaterThan(minuteAgo);
    expect(read.value('pgkeep_restore_duration_seconds')).toBeGreaterThan(0);
    expect([read.by('pgkeep_job_running'), read.by('pgkeep_job_failures')]).toEqual([
      { backup: 0, 'restore-test': 0 },
      { backup: 0, 'restore-test': 0 },
    ]);
  });

  it('has what monitoring has sampled, and counts what it has found', async () => {
    expect((await scrape(service.url)).of('pgkeep_monitor_leader')).toEqual([]);
    await execute(
      guarded.url,
      'CREATE TABLE public.trees (id int, name text); CREATE INDEX a ON public.trees (name); CREATE INDEX b ON public.trees (name); CREATE INDEX c ON public.trees (id); CREATE INDEX d ON public.trees (id)',
    );
    const modules = await service.app.get(LazyModuleLoader).load(() => MonitoringModule, { logger: false });
    const { findings } = await modules.get(MonitorWatch).step();
    const read = await scrape(service.url);
    expect(read.value('pgkeep_monitor_leader')).toBe(1);
    expect(read.value('pgkeep_monitor_sample_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(read.value('pgkeep_findings', { code: 'INDEX_DUPLICATE', severity: 'info' })).toBe(2);
    expect(read.of('pgkeep_findings').reduce((sum, { value }) => sum + value, 0)).toBe(findings.length);
    expect(read.value('pgkeep_monitor_probes_unseen')).toBe(0);
    expect(read.value('pgkeep_connect_duration_seconds')).toBeGreaterThan(0);
    expect(read.value('pgkeep_round_trip_duration_seconds')).toBeLessThan(5);
    expect(read.value('pgkeep_connections_limit')).toBe(97);
    expect(Object.keys(read.by('pgkeep_connections'))).toEqual([
      'active',
      'idle',
      'idle_in_transaction',
      'other',
    ]);
    expect(read.value('pgkeep_database_size_bytes')).toBeGreaterThan(1_000_000);
    expect(read.value('pgkeep_transaction_id_age')).toBeGreaterThan(0);
    expect(read.by('pgkeep_transactions_total')['commit']).toBeGreaterThan(0);
    expect(read.value('pgkeep_deadlocks_total')).toBe(0);
    // Two samples are needed for a rate, and pg_stat_statements for this one.
    expect(read.of('pgkeep_statements_per_second')).toEqual([]);
    expect(read.series.length).toBeLessThan(100);
  });

  it('answers HEAD without a body, and every Accept header with the text format', async () => {
    const head = await request(service.url).head('/metrics').set(bearer(METRICS_TOKEN));
    expect([head.status, head.text]).toEqual([200, undefined]);
    for (const accept of [
      'application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1',
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited',
      'application/json',
      '',
    ]) {
      const headers = { ...bearer(METRICS_TOKEN), accept, 'accept-encoding': 'gzip' };
      const { status, headers: answered } = await request(service.url).get('/metrics').set(headers);
      expect([accept, status, answered['content-type'], answered['content-encoding']]).toEqual([
        accept,
        200,
        'text/plain; version=0.0.4; charset=utf-8',
        undefined,
      ]);
    }
  });

  it('keeps its values while the database is gone, with the time of each', async () => {
    const before = await scrape(service.url);
    await own.cluster.stop();
    await service.app.get(ReadinessMonitor).refresh();
    const after = await scrape(service.url);
    expect([after.value('pgkeep_up'), after.value('pgkeep_check_ok', { check: 'migrations' })]).toEqual([
      0, 0,
    ]);
    for (const name of [
      'pgkeep_migrations',
      'pgkeep_restore_test_passed_timestamp_seconds',
      'pgkeep_backups',
    ])
      expect(after.of(name)).toEqual(before.of(name));
    const learned = 'pgkeep_learned_timestamp_seconds';
    expect(after.by(learned)['migrations']).toBe(before.by(learned)['migrations']);
    expect(after.value('pgkeep_evaluated_timestamp_seconds')).toBeGreaterThan(
      before.value('pgkeep_evaluated_timestamp_seconds') ?? Infinity,
    );
  });
});

describe('who may read /metrics', () => {
  const ask = (url: string, headers: Readonly<Record<string, string>>): request.Test =>
    request(url).get('/metrics').set(headers);

  it('is the holder of METRICS_TOKEN, who may read nothing else, and the administrator', async () => {
    await withService({ ...DOWN, METRICS_TOKEN, ADMIN_API_TOKEN: ADMIN_TOKEN }, async ({ url }) => {
      expect((await ask(url, bearer(METRICS_TOKEN))).status).toBe(200);
      expect((await ask(url, bearer(ADMIN_TOKEN))).status).toBe(200);
      expect((await request(url).get('/admin/jobs').set(bearer(METRICS_TOKEN))).status).toBe(401);
      const wrong: Readonly<Record<string, string>>[] = [
        {},
        bearer('wrong'),
        { authorization: `Basic ${METRICS_TOKEN}` },
        { cookie: `token=${METRICS_TOKEN}` },
      ];
      for (const headers of wrong) {
        const { status, body, headers: answered } = await ask(url, headers);
        expect([status, answered['www-authenticate'], faultsOf('Problem', body)]).toEqual([
          401,
          'Bearer realm="pgkeep"',
          [],
        ]);
        expect(body).toEqual({
          type: 'about:blank',
          title: 'Unauthorized',
          status: 401,
          detail: 'The route /metrics needs a token.',
          code: 'METRICS_TOKEN_REQUIRED',
          hint: 'Send the header "Authorization: Bearer <METRICS_TOKEN>".',
        });
      }
      expect((await request(url).get(`/metrics?token=${METRICS_TOKEN}`)).status).toBe(401);
      // One, by the admin route: the failures of scrapers are no attempts to sign in.
      expect((await scrape(url)).value('pgkeep_failed_logins_total')).toBe(1);
    });
  });

  it('is the administrator alone if METRICS_TOKEN is not set', async () => {
    await withService({ ...DOWN, ADMIN_API_TOKEN: ADMIN_TOKEN }, async ({ url }) => {
      expect((await ask(url, bearer(ADMIN_TOKEN))).status).toBe(200);
      expect((await ask(url, {})).status).toBe(401);
    });
  });

  it('is without a configured token only whoever METRICS_PUBLIC=true allows: everybody', async () => {
    await withService(DOWN, async ({ url }) => {
      const { status, body } = await ask(url, bearer('any'));
      expect([status, body.code, body.detail, body.hint]).toEqual([
        403,
        'METRICS_NOT_CONFIGURED',
        'The route /metrics is closed: no token is configured.',
        'Set METRICS_TOKEN (or METRICS_TOKEN_FILE), or METRICS_PUBLIC=true, and restart.',
      ]);
    });
    await withService({ ...DOWN, METRICS_PUBLIC: 'true' }, async ({ url }) => {
      expect((await ask(url, {})).status).toBe(200);
    });
  });

  it('is still the right scraper after 1,000 wrong ones behind the same proxy, and so the administrator on other routes', async () => {
    await withService(
      { ...DOWN, METRICS_TOKEN, ADMIN_API_TOKEN: ADMIN_TOKEN },
      async ({ url, transcript }) => {
        const statuses = new Map<number, number>();
        for (let round = 0; round < 50; round += 1) {
          const answers = await Promise.all(
            Array.from({ length: 20 }, (_, n) =>
              fetch(`${url}/metrics`, { headers: bearer(`wrong-${round}-${n}`) }),
            ),
          );
          for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
        expect((statuses.get(401) ?? 0) + (statuses.get(429) ?? 0)).toBe(1000);
        expect(statuses.get(429)).toBeGreaterThan(950);
        expect((await ask(url, bearer(METRICS_TOKEN))).status).toBe(200);
        // Whether a guess of the admin token is right is not revealed here; on its routes it is counted separately.
        expect((await ask(url, bearer(ADMIN_TOKEN))).status).toBe(429);
        expect((await request(url).get('/admin/jobs').set(bearer(ADMIN_TOKEN))).status).toBe(503);
        expect(
          transcript.text.split(
            'The route /metrics accepts only METRICS_TOKEN from 127.0.0.1 for up to 60 s: too many failed attempts.',
          ),
        ).toHaveLength(2);
      },
    );
  });
});
