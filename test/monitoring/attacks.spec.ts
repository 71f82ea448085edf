import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Cluster } from '../../src/cluster/cluster.js';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import { query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { processTree, suspend } from '../support/process-tree.js';
import { REPLICATION_HBA, startStandby } from '../support/standby.js';
import type { ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import type { Replica } from './replica.js';
import { SampledCluster } from './sampled-cluster.js';

/** What a test does to the server may not make it slower than this. */
const SHORT = { DB_CONNECT_TIMEOUT: '2' };

describe('sampling a server in trouble', () => {
  let sampled: SampledCluster;
  let own: ThrowAwayCluster;
  let url: string;
  const clients: Client[] = [];

  beforeAll(async () => {
    sampled = await SampledCluster.start('attacked', {
      hba: REPLICATION_HBA,
      settings: { shared_preload_libraries: 'pg_stat_statements' },
    });
    own = sampled.own;
  });
  beforeEach(async () => {
    url = await sampled.nextDatabase();
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await sampled.closeReplicas();
  });
  afterAll(() => sampled.destroy());

  async function open(at = url): Promise<Replica> {
    return await sampled.open(at, SHORT);
  }

  async function connect(application: string): Promise<Client> {
    const client = new Client({ connectionString: url, application_name: application });
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }

  async function pidOfMonitor(): Promise<number> {
    const { rows } = await query(
      url,
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'pgkeep monitor' AND datname = current_database()`,
    );
    return Number(rows[0]?.pid);
  }

  const codesOf = ({ findings }: MonitorSample): string[] => findings.map(({ code }) => code);

  it('waits for no lock: not for one of the largest table, and not behind an ALTER TABLE that waits itself', async () => {
    await query(
      url,
      'CREATE TABLE large (id serial PRIMARY KEY, t text); INSERT INTO large (t) SELECT md5(n::text) FROM generate_series(1, 20000) n; ANALYZE large',
    );
    const replica = await open();
    await replica.step();
    const [reader, changer] = [await connect('reader'), await connect('changer')];
    await reader.query('BEGIN; SELECT count(*) FROM large');
    const altering = changer.query('ALTER TABLE large ADD COLUMN later text');
    await until(async () => (await query(url, 'SELECT FROM pg_locks WHERE NOT granted')).rows.length > 0);
    const waited: unknown[] = [];
    const watching = setInterval(() => {
      void query(
        url,
        `SELECT a.query FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name LIKE 'pgkeep%'`,
      ).then(
        ({ rows }) => waited.push(...rows),
        () => undefined,
      );
    }, 20);
    const sample = await replica.step();
    clearInterval(watching);
    expect(sample.report?.unseen).toEqual([]);
    expect(sample.report?.largest.map(({ name }) => name)).toContain('large');
    expect(waited).toEqual([]);
    await reader.query('COMMIT');
    await altering;
  });

  it('goes on with another connection where a statement hangs', async () => {
    const replica = await open();
    await query(url, 'CREATE UNLOGGED TABLE cache ()');
    expect(codesOf(await replica.step())).toContain('TABLE_UNLOGGED');
    const pid = await pidOfMonitor();
    const resume = suspend([pid]);
    const sample = await replica.step().finally(resume);
    expect(sample.down).toBeUndefined();
    expect(codesOf(sample)).toContain('TABLE_UNLOGGED');
  });

  it('reports a statement that takes too long as unseen, and the others go on', async () => {
    // What the probe reads takes 30 s.
    await query(
      url,
      `ALTER TABLE pgkeep.index_scans RENAME TO others;
       CREATE VIEW pgkeep.index_scans AS SELECT now()::date AS day, 'x' AS name, 1::bigint AS scans FROM pg_sleep(30)`,
    );
    const sample = await (await open()).step();
    const reason = 'canceling statement due to statement timeout';
    expect(sample.report?.unseen).toEqual([{ probe: 'unused-indexes', reason }]);
    expect(sample.findings.filter(({ code }) => code === 'STATISTICS_UNAVAILABLE')).toEqual([
      {
        code: 'STATISTICS_UNAVAILABLE',
        severity: 'info',
        subject: '',
        text: `1 probe gave no answer, such as unused-indexes: ${reason}`,
        remedy: expect.any(String),
        sql: null,
      },
    ]);
  });

  it('reports a server that hangs as down, and goes on when it continues', async () => {
    const replica = await open();
    const before = await replica.step();
    const resume = suspend(processTree(own.cluster.postmasterPid));
    const down = await replica.step().finally(resume);
    expect(down).toMatchObject({ role: 'leader', down: { code: 'DATABASE_TIMEOUT' }, report: before.report });
    expect(down.findings[0]?.text).toMatch(/^127\.0\.0\.1:\d+ does not answer: /);
    expect((await replica.step()).down).toBeUndefined();
  });

  it('reports a server that is killed as down, and no negative rate after its counters began again', async () => {
    const replica = await open();
    await query(url, 'CREATE TABLE t (); CREATE TABLE u ()');
    await replica.step();
    await own.cluster.stop();
    expect((await replica.step()).down).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    await own.cluster.startServer();
    const first = await replica.step();
    expect(first).toMatchObject({ role: 'leader', down: undefined, report: { unseen: [] } });
    await query(url, 'SELECT pg_stat_reset()');
    for (const { report } of [first, await replica.step(), await replica.step()]) {
      const negative = Object.entries(report?.vitals ?? {}).filter(
        ([, value]) => value !== null && value < 0,
      );
      expect(negative).toEqual([]);
    }
  });

  it('samples a standby by itself, and with the lease when it was promoted', async () => {
    const standby: Cluster = await startStandby(own);
    try {
      const replica = await open(standby.url(sampled.database));
      expect(await replica.step()).toMatchObject({ role: 'leader', fence: null, report: { unseen: [] } });
      await query(standby.url('postgres'), 'SELECT pg_promote()');
      expect(await replica.step()).toMatchObject({ role: 'leader', fence: 1n, report: { unseen: [] } });
    } finally {
      await standby.destroy();
    }
  });

  it('stores no literal of a statement, however long that is', async () => {
    const secret = 'Siti-0811555010';
    const client = await connect('import');
    const statement = `SELECT pg_sleep(60), '${secret}', '${'x'.repeat(600_000)}', '${secret}'`;
    const running = client.query(statement).catch(() => undefined);
    await until(
      async () =>
        (
          await query(
            url,
            `SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND pid <> pg_backend_pid()`,
          )
        ).rows.length > 0,
    );
    await query(url, `SELECT '${secret}' AS simple`);
    const replica = await sampled.open(url, { DB_QUERY_TIME_THRESHOLD: '1' });
    const sample = await replica.step();
    expect(codesOf(sample)).toContain('QUERY_LONG');
    const { rows } = await query(url, 'SELECT report::text FROM pgkeep.monitoring_report');
    expect(rows).toHaveLength(1);
    for (const text of [JSON.stringify(rows), JSON.stringify(sample.report)]) {
      expect(text).not.toContain('Siti');
      expect(text.length).toBeLessThan(30_000);
    }
    await query(
      url,
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND pid <> pg_backend_pid()`,
    );
    await running;
  });

  it('prints no escape sequence that a name or a statement in the database has', async () => {
    const evil = 'a\u001B[31m\u0007<img onerror=x>`"\n\u009B2J';
    await query(
      url,
      `CREATE UNLOGGED TABLE "${evil.replaceAll('"', '""')}" (); CREATE TABLE "p\u001B]0;x" (id serial PRIMARY KEY, "\u001B[1mcolumn" smallserial); SELECT setval('"p\u001B]0;x_\u001B[1mcolumn_seq"', 32000)`,
    );
    const client = await connect('web');
    const running = client.query('SELECT /* \u001B[2J */ pg_sleep(60) AS "\u001B[5m"').catch(() => undefined);
    await until(
      async () =>
        (await query(url, `SELECT FROM pg_stat_activity WHERE application_name = 'web' AND state = 'active'`))
          .rows.length > 0,
    );
    const { code, stdout } = await runCli(['monitor'], { DATABASE_URL: url, DB_QUERY_TIME_THRESHOLD: '1' });
    expect(code).toBe(1);
    expect(stdout).toContain('[TABLE_UNLOGGED]');
    expect(stdout).toContain('[IDS_RUN_OUT]');
    expect(stdout).toContain('[QUERY_LONG]');
    expect(stdout.match(/[^\P{Cc}\n]/gu)).toBeNull();
    await query(url, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'web'`);
    await running;
  });

  it('writes its history by the database’s clock, whatever this machine’s shows', async () => {
    const replica = await open();
    await replica.step();
    await replica.stepAfter(86_400_000);
    const { rows } = await query(
      url,
      `SELECT max(abs(extract(epoch FROM now() - at))) < 60 AS close FROM pgkeep.monitoring_report`,
    );
    expect(rows).toEqual([{ close: true }]);
    const series = await replica.history.series({ vitals: ['up'], hours: 1 });
    expect(Math.abs(Date.now() - Date.parse(series.points.at(-1)?.at ?? ''))).toBeLessThan(120_000);
  });

  it('keeps what it was where the lease cannot be renewed, and reports no outage', async () => {
    const replica = await open();
    await replica.step();
    const client = await connect('holder');
    await client.query('BEGIN; LOCK TABLE pgkeep.lease');
    expect(await replica.step()).toMatchObject({ role: 'leader', fence: 1n, down: undefined });
    await client.query('ROLLBACK');
    expect(await replica.step()).toMatchObject({ role: 'leader', fence: 1n, down: undefined });
  });
});
