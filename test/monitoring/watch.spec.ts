import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import { createDatabase, query } from '../support/clinic.js';
import type { ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import type { Replica } from './replica.js';
import { SampledCluster } from './sampled-cluster.js';

describe('sampling in the background', () => {
  let sampled: SampledCluster;
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    sampled = await SampledCluster.start('watched', { settings: { max_connections: '20' } });
    own = sampled.own;
  });
  beforeEach(async () => {
    url = await sampled.nextDatabase();
  });
  afterEach(async () => {
    await sampled.closeReplicas();
  });
  afterAll(() => sampled.destroy());

  /** Opens a replica whose next step comes when everything is due again. */
  async function open(at = url, environment: Readonly<Record<string, string>> = {}): Promise<Replica> {
    return await sampled.open(at, environment);
  }

  const codesOf = ({ findings }: MonitorSample): string[] => findings.map(({ code }) => code);

  it('is done by one replica, and by the next one when that one ends', async () => {
    const [first, second, third] = [await open(), await open(), await open()];
    expect(await first.step()).toMatchObject({ role: 'leader', fence: 1n, down: undefined });
    expect(await second.step()).toMatchObject({ role: 'deputy', fence: 1n });
    expect(await third.step()).toMatchObject({ role: 'follower', fence: 1n });
    expect(first.watch.latest()?.report).toMatchObject({ database: sampled.database, unseen: [] });
    // Two connections a replica at most, while it measures.
    await sampled.close(first);
    expect(await second.step()).toMatchObject({ role: 'leader', fence: 2n });
    expect(await third.step()).toMatchObject({ role: 'deputy', fence: 2n });
  });

  it('asks one statement at a time, on one connection that stays open', async () => {
    const watch = await open();
    await watch.step();
    const pids = async (): Promise<unknown[]> =>
      (
        await query(
          url,
          `SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE 'pgkeep monitor%'`,
        )
      ).rows;
    const before = await pids();
    expect(before).toEqual([{ pid: expect.any(Number), application_name: 'pgkeep monitor' }]);
    await watch.stepAfter(15_000);
    await watch.stepAfter(60_000);
    expect(await pids()).toEqual(before);
  });

  it('reports a database that is down, since when, and that it is back, with what was known before', async () => {
    const proxy = await TcpProxy.to(Number(new URL(url).port));
    const through = url.replace(/:\d+\//, `:${proxy.port}/`);
    const watch = await open(through);
    const good = await watch.step();
    proxy.mode = 'refuse';
    proxy.cut();
    const down = await watch.step();
    expect(down).toMatchObject({
      role: 'leader',
      fence: 1n,
      down: { since: down.at, code: 'DATABASE_UNREACHABLE', text: expect.any(String) },
      report: good.report,
    });
    expect(down.findings[0]).toEqual({
      code: 'DATABASE_DOWN',
      severity: 'critical',
      subject: '',
      text: expect.stringMatching(new RegExp(`^[^ ]+:${proxy.port} does not answer: .+$`)),
      remedy: expect.stringMatching(
        /^Check the host and port of the database URL, .* Run `pgkeep ping` for the reason\. If the server cannot be brought back, restore the newest proven backup\.$/,
      ),
      sql: null,
    });
    expect((await watch.step()).down?.since).toEqual(down.at);
    proxy.mode = 'pass';
    const back = await watch.step();
    expect([back.down, codesOf(back)]).toEqual([undefined, codesOf(good)]);
    await proxy.close();
  });

  it('reports a connection that broke between two samples only where no other can be made', async () => {
    const watch = await open();
    await watch.step();
    await query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgkeep monitor%'`,
    );
    expect((await watch.step()).down).toBeUndefined();
  });

  it('reports connections that are all taken as such, with its own connection and without', async () => {
    const role = `limited_${sampled.database}`;
    await query(
      url,
      `CREATE ROLE ${role} LOGIN PASSWORD 'secret' IN ROLE pg_monitor; GRANT ALL ON ALL TABLES IN SCHEMA pgkeep TO ${role}; GRANT USAGE ON SCHEMA pgkeep TO ${role}`,
    );
    const limited = url.replace(/\/\/[^@]+@/, `//${role}:secret@`);
    const watch = await open(limited);
    expect(codesOf(await watch.step())).not.toContain('CONNECTIONS_EXHAUSTED');
    const clients: Client[] = [];
    const fill = async (): Promise<void> => {
      for (;;) {
        const client = new Client({ connectionString: limited, application_name: 'pool' });
        client.on('error', () => undefined);
        try {
          await client.connect();
        } catch {
          return;
        }
        clients.push(client);
      }
    };
    await fill();
    const refused = await watch.step();
    expect([refused.down, refused.findings[0]]).toEqual([
      undefined,
      {
        code: 'CONNECTIONS_EXHAUSTED',
        severity: 'critical',
        subject: '',
        text: expect.stringMatching(/^[^ ]+ refuses connections: all of them are taken$/),
        remedy: 'Reduce connection_limit of the applications’ pools, or put PgBouncer in front.',
        sql: null,
      },
    ]);
    // It still sees who holds them.
    expect(refused.report?.applications[0]).toMatchObject({ application: 'pool' });
    expect(refused.report?.vitals.connectMs).toBeNull();
    await query(
      url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgkeep monitor'`,
    );
    await fill();
    const shutOut = await watch.step();
    expect([shutOut.down, shutOut.findings[0]?.code, shutOut.report]).toEqual([
      undefined,
      'CONNECTIONS_EXHAUSTED',
      refused.report,
    ]);
    await Promise.all(clients.map((client) => client.end()));
  });

  it('goes on by itself where schema pgkeep is missing, or the role may not write there', async () => {
    const bare = await createDatabase(own, `bare_${sampled.database}`);
    expect(await (await open(bare)).step()).toMatchObject({ role: 'leader', fence: null, down: undefined });
    const role = `reader_${sampled.database}`;
    await query(url, `CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
    const sample = await (await open(url.replace(/\/\/[^@]+@/, `//${role}:secret@`))).step();
    expect(sample).toMatchObject({ role: 'leader', fence: null, report: { unseen: [] } });
  });

  it('calls its listeners one after the other, and goes on where one throws', async () => {
    const watch = await open();
    const heard: string[] = [];
    watch.watch.onSample(() => {
      heard.push('first');
      throw new Error('broken');
    });
    watch.watch.onSample(async ({ role }) => {
      await query(url, 'SELECT 1');
      heard.push(role);
    });
    await watch.step();
    expect(heard).toEqual(['first', 'leader']);
  });

  it('leaves out what DB_MONITORING_IGNORE names', async () => {
    await query(
      url,
      'CREATE UNLOGGED TABLE kept (); CREATE SCHEMA staging; CREATE UNLOGGED TABLE staging.loaded ()',
    );
    const ignore = { DB_MONITORING_IGNORE: 'STATEMENTS_UNKNOWN, TABLE_UNLOGGED:staging.*' };
    const { findings } = await (await open(url, ignore)).step();
    expect(findings.filter(({ severity }) => severity === 'info').map(({ subject }) => subject)).toEqual([
      'kept',
    ]);
  });
});
