import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { Node } from '../container/deployment-file.js';
import { backupDirectory } from '../support/backups.js';
import { createGuarded, execute, type GuardedDatabase } from '../support/guarded-database.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { prometheusProgram, StockPrometheus } from '../support/stock-prometheus.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const TOKEN = 'a-scraper-of-more-than-thirty-two-characters';
const RULES = 'deploy/prometheus/pgkeep.rules.yml';

function promtool(argv: readonly string[], input = ''): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(prometheusProgram('promtool'), argv, {
    input,
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

describe('promtool', () => {
  it('accepts the rules', () => {
    expect(promtool(['check', 'rules', '--lint=all', '--lint-fatal', RULES])).toEqual({
      status: 0,
      output: expect.stringMatching(/SUCCESS: \d+ rules found/),
    });
  });

  it('finds that each rule fires when it should, and only then', () => {
    expect(promtool(['test', 'rules', 'deploy/prometheus/pgkeep.rules.test.yml'])).toEqual({
      status: 0,
      output: expect.stringMatching(/SUCCESS/),
    });
  });
});

describe('a real Prometheus that scrapes the service', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let service: PgkeepProcess;
  let url: string;
  let prometheus: StockPrometheus;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, String.raw`orchard "north" \ № 1`);
    const environment = {
      DATABASE_URL: guarded.url,
      MIGRATIONS_DIR: guarded.migrationsDirectory,
      BACKUP_ENABLED: 'true',
      BACKUP_DIR: backupDirectory(),
      TEST_DATABASE_URL: own.cluster.url('postgres'),
    };
    for (const argv of [['install'], ['stamp', 'development'], ['backup'], ['restore', 'test']])
      expect(await runCli(argv, environment)).toMatchObject({ code: 0 });
    service = new PgkeepProcess('main', [], {
      ...environment,
      HOST: '127.0.0.1',
      PORT: '0',
      METRICS_TOKEN: TOKEN,
      READINESS_REFRESH_MS: '1000',
      DB_MONITORING_ENABLED: 'true',
      DB_MONITORING_INTERVAL_SECONDS: '5',
      // The servers of tests do without fsync, and their certificates are valid for a day.
      DB_MONITORING_IGNORE: 'SETTING_DANGEROUS,CERTIFICATE_EXPIRES',
    });
    url = await service.listening();
    prometheus = await StockPrometheus.start(new URL(url).host, { token: TOKEN, rules: [RULES] });
  });
  afterAll(async () => {
    await prometheus.stop();
    await service.kill();
    await own.cluster.destroy();
  });

  it('finds nothing to complain about in the exposition', async () => {
    await until(async () => (await prometheus.value('pgkeep_connections_limit')) !== undefined);
    const text = await (
      await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })
    ).text();
    expect(promtool(['check', 'metrics'], text)).toEqual({ status: 0, output: '' });
  });

  it('has the values, and the hostile name of the database as it is', async () => {
    await until(async () => (await prometheus.value('pgkeep_restore_test_ok')) === 1);
    expect(await prometheus.target()).toMatchObject({ health: 'up', lastError: '' });
    const [info] = await prometheus.query('pgkeep_build_info');
    expect(info?.metric).toMatchObject({
      job: 'pgkeep',
      environment: 'development',
      database: String.raw`orchard "north" \ № 1`,
      server: expect.stringMatching(/^15\.\d+$/),
    });
    expect(await prometheus.value('pgkeep_up')).toBe(1);
    expect(await prometheus.value('pgkeep_backups')).toBe(1);
    expect(await prometheus.value('pgkeep_migrations{state="applied"}')).toBe(1);
    expect(await prometheus.value('time() - pgkeep_backup_newest_timestamp_seconds')).toBeLessThan(300);
    expect(await prometheus.value('scrape_samples_scraped{job="pgkeep"}')).toBeLessThan(100);
    expect(await prometheus.value('scrape_duration_seconds{job="pgkeep"}')).toBeLessThan(0.5);
  });

  it('answers every expression of the Grafana dashboard', async () => {
    const dashboard = new Node(JSON.parse(readFileSync('deploy/grafana/pgkeep.json', 'utf8')));
    const [{ instance = '', job = '' } = {}] = (await prometheus.query('pgkeep_build_info')).map(
      ({ metric }) => metric,
    );
    const expressions = dashboard
      .at('panels')
      .items.flatMap((panel) => panel.at('targets').items.map((target) => target.at('expr').text))
      .map((text) =>
        text.replaceAll('$job', job).replaceAll('$instance', instance).replaceAll('$__rate_interval', '30s'),
      );
    // A rate takes several scrapes.
    const scraped = 'min(count_over_time(pgkeep_transactions_total[30s]))';
    await until(async () => ((await prometheus.value(scraped)) ?? 0) >= 3);
    await until(async () => (await prometheus.value('pgkeep_wal_bytes_per_second')) !== undefined);
    const empty: string[] = [];
    for (const expression of expressions)
      if ((await prometheus.query(expression)).length === 0)
        empty.push(expression.replaceAll(/\{.*?\}/g, ''));
    expect(expressions.length).toBeGreaterThan(30);
    // What there is not here: pg_stat_statements, replicas, slots, keys, a recorded structure, runs of jobs.
    expect(
      empty.filter((expression) => !/statement|replica|slot|ids_used|drifted|job_/.test(expression)),
    ).toEqual([]);
  });

  it('fires no alert while all is well, and the right ones when a migration fails and the database dies', async () => {
    // The server's certificate.
    const expires = 'PgkeepBreaksSoon pending';
    const active = async (): Promise<string[]> =>
      (await prometheus.alerts())
        .map(({ labels, state }) => `${labels['alertname']} ${state}`)
        .toSorted((a, b) => a.localeCompare(b));
    /** Waits for exactly these alerts. Fails with those that there are. */
    const untilActive = async (expected: readonly string[]): Promise<void> => {
      const isExpected = async (): Promise<boolean> => (await active()).join() === expected.join();
      await until(isExpected).catch(() => undefined);
      expect(await active()).toEqual(expected);
    };
    // Before the first scrape pgkeep was absent.
    await untilActive([expires]);
    await execute(guarded.url, 'UPDATE public._prisma_migrations SET finished_at = NULL');
    await untilActive([
      expires,
      'PgkeepCheckFails pending',
      'PgkeepMigrationFailed firing',
      'PgkeepNotReady pending',
    ]);
    await execute(guarded.url, 'UPDATE public._prisma_migrations SET finished_at = now()');
    await untilActive([expires]);
    await own.cluster.stop();
    await until(async () => (await active()).includes('PgkeepDatabaseDown pending'));
    // The last values stay: no backup is reported as missing because the database is down.
    expect((await active()).filter((alert) => /Backup|Restore|Migration|Job/.test(alert))).toEqual([]);
    expect(await prometheus.value('pgkeep_migrations{state="applied"}')).toBe(1);
    expect(prometheus.log).not.toMatch(/level=(warn|error)/);
  });

  it('is refused with a wrong token, and then sees the target as down', async () => {
    const stranger = await StockPrometheus.start(new URL(url).host, { token: 'wrong', rules: [] });
    await until(async () => (await stranger.target())?.health === 'down');
    expect(await stranger.target()).toMatchObject({
      lastError: 'server returned HTTP status 401 Unauthorized',
    });
    expect(await stranger.value('up{job="pgkeep"}')).toBe(0);
    await stranger.stop();
    expect(await prometheus.target()).toMatchObject({ health: 'up' });
  });
});
