import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { readPostmasterFile } from '../../src/cluster/postmaster.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { processTree, suspend } from '../support/process-tree.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { until } from '../support/until.js';

const TOKEN = 'shutdown-token';

/** Services and directories of the running test, removed after it in any case. */
const services: PgkeepProcess[] = [];
const directories: string[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await service.kill();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A directory that PostgreSQL's user can pass through, where the tests run as root. */
function workingDirectory(): string {
  const directory = emptyDirectory();
  chmodSync(directory, 0o711);
  directories.push(directory);
  return directory;
}

function startService(environment: Record<string, string>, cwd?: string): PgkeepProcess {
  const service = new PgkeepProcess(
    'main',
    [],
    { PORT: '0', HOST: '127.0.0.1', ADMIN_API_TOKEN: TOKEN, ...environment },
    cwd === undefined ? {} : { cwd },
  );
  services.push(service);
  return service;
}

async function answer(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${TOKEN}` },
    signal: AbortSignal.timeout(20_000),
  });
  const body: unknown = JSON.parse(await response.text());
  return { status: response.status, body };
}

async function untilReady(url: string): Promise<void> {
  await until(async () => (await answer(`${url}/ready`)).status === 200);
}

describe('a service that is asked to end', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let settings: Record<string, string>;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
    settings = { DATABASE_URL: guarded.url, MIGRATIONS_DIR: guarded.migrationsDirectory };
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  it('SIGTERM: reports "not ready" for one period, answers pending requests, and ends by the signal', async () => {
    // Statistics use other connections than readiness: the test can keep them waiting.
    const proxy = await TcpProxy.to(own.cluster.port);
    const service = startService({
      ...settings,
      DATABASE_READ_REPLICA_URL: changedUrl(guarded.url, { port: String(proxy.port) }),
      READINESS_REFRESH_MS: '1500',
      READINESS_TIMEOUT_MS: '700',
    });
    const url = await service.listening();
    await untilReady(url);
    proxy.mode = 'hold';
    const underWay = answer(`${url}/admin/database/stats?rows=exact`);
    await until(() => proxy.connections === 1);

    service.signal('SIGTERM');
    await until(async () => (await answer(`${url}/ready`)).status === 503, 1000);
    const ready = await answer(`${url}/ready`);
    expect(ready.body).toMatchObject({
      status: 'not_ready',
      code: 'SHUTTING_DOWN',
      checks: { database: { ok: true } },
    });
    expect((await answer(`${url}/health`)).body).toMatchObject({ status: 'shutting_down' });
    expect((await answer(`${url}/live`)).status).toBe(200);
    await until(
      async () =>
        await fetch(`${url}/live`).then(
          () => false,
          () => true,
        ),
      5000,
      'a closed port',
    );
    expect(service.isRunning).toBe(true);

    proxy.release();
    expect(await underWay).toMatchObject({ status: 200, body: { tableCount: 2 } });
    expect(await service.end(5000)).toEqual({ code: null, signal: 'SIGTERM' });
    await proxy.close();
  });

  it.each(['up', 'down', 'hanging'])(
    'SIGINT: ends immediately, without the period (database %s)',
    async (state) => {
      const url = state === 'down' ? 'postgresql://user:hush-hush@127.0.0.1:1/nowhere' : guarded.url;
      const service = startService({ ...settings, DATABASE_URL: url });
      const base = await service.listening();
      // An idle connection in the pool, which shutdown must close.
      await answer(`${base}/admin/database/stats`);
      const goOn = suspend(state === 'hanging' ? processTree(own.cluster.postmasterPid) : []);
      try {
        const started = performance.now();
        service.signal('SIGINT');
        expect(await service.end()).toEqual({ code: null, signal: 'SIGINT' });
        expect(performance.now() - started).toBeLessThan(2500);
      } finally {
        goOn();
      }
    },
  );

  it('SIGTERM twice, while a client reads slowly: ends nevertheless', async () => {
    const service = startService({ ...settings, READINESS_REFRESH_MS: '300', READINESS_TIMEOUT_MS: '200' });
    const url = await service.listening();
    const { hostname, port } = new URL(url);
    const dawdler = connect(Number(port), hostname);
    dawdler.on('error', () => undefined);
    dawdler.write('GET /live HTTP/1.1\r\nhost: x\r\nx-slow: ');
    try {
      await answer(`${url}/live`);
      service.signal('SIGTERM');
      service.signal('SIGTERM');
      expect(await service.end(5000)).toEqual({ code: null, signal: 'SIGTERM' });
    } finally {
      dawdler.destroy();
    }
  });
});

describe('services with an embedded PostgreSQL', () => {
  it('run one per directory; kill -9 of it ends its PostgreSQL too, and the next service takes over', async () => {
    const cwd = workingDirectory();
    const dataDirectory = path.join(cwd, '.pgkeep', 'cluster', 'data');
    const first = startService({}, cwd);
    const url = await first.listening();
    await untilReady(url);
    const postmaster = readPostmasterFile(dataDirectory)?.pid ?? 0;
    const secrets = [readFileSync(path.join(dataDirectory, 'pgkeep-password'), 'utf8')];

    const second = startService({}, cwd);
    const ready = await runCli(['ready'], {}, { cwd });
    expect([ready.code, ready.stdout.split('\n')[0]]).toEqual([0, 'ready']);
    expect(await second.end()).toEqual({ code: 1, signal: null });
    expect(second.stderr).toBe(
      `Cannot start PostgreSQL in ${path.dirname(dataDirectory)}: a server already runs there (pid ${postmaster}).\nStop the pgkeep process that started it, or use another directory.\n`,
    );
    expect((await answer(`${url}/ready`)).status).toBe(200);

    first.signal('SIGKILL');
    await first.end();
    await until(() => !existsSync(`/proc/${postmaster}`), 15_000);
    const without = await runCli(['ready'], {}, { cwd });
    expect([without.code, without.stdout.split('\n')[0]]).toEqual([1, 'NOT READY']);

    const third = startService({}, cwd);
    await untilReady(await third.listening());
    third.signal('SIGINT');
    expect(await third.end()).toEqual({ code: null, signal: 'SIGINT' });
    expect(existsSync(path.join(dataDirectory, 'postmaster.pid'))).toBe(false);
    for (const said of [ready, without, first, second, third]) {
      for (const secret of secrets) expect(said.stdout + said.stderr).not.toContain(secret);
    }
  }, 60_000);

  it('start concurrently in a new directory: one serves, the other reports why it cannot', async () => {
    const cwd = emptyDirectory();
    chmodSync(cwd, 0o711);
    const both = [startService({}, cwd), startService({}, cwd)];
    await until(() => both.some(({ isRunning }) => !isRunning), 25_000, 'the end of one of them');
    const [loser, winner] = both.toSorted((left, right) => Number(left.isRunning) - Number(right.isRunning));
    expect(await loser?.end()).toEqual({ code: 1, signal: null });
    expect(loser?.stderr).toMatch(
      /^Cannot start PostgreSQL in .*: a server already runs there \(pid \d+\)\.\n/,
    );
    await untilReady((await winner?.listening()) ?? '');
    winner?.signal('SIGINT');
    expect(await winner?.end()).toEqual({ code: null, signal: 'SIGINT' });
  }, 60_000);
});
