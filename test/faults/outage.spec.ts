import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { everyCheck } from '../support/checks.js';
import { query } from '../support/clinic.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { processTree, suspend } from '../support/process-tree.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { PERIOD_MS, withService, type WatchedService } from '../support/watched-service.js';

const TWO_PERIODS = 2 * PERIOD_MS;
const NETWORK_HINT =
  'Check the host and port of the database URL, and that the server runs and accepts connections from this machine.';

describe('a database that goes away', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  const settings = (url = guarded.url) => ({
    DATABASE_URL: url,
    MIGRATIONS_DIR: guarded.migrationsDirectory,
  });

  it('is down at the start: the service starts, says why, and is ready once the database is up', async () => {
    const { port } = own.cluster;
    const { url } = guarded;
    await own.cluster.stop();
    await withService(settings(url), async (service) => {
      expect((await service.get('/live')).body).toEqual({ status: 'alive' });
      const { status, body } = await service.get('/ready');
      expect(status).toBe(503);
      const refused = `connect ECONNREFUSED 127.0.0.1:${port}`;
      const unknown = {
        ok: false,
        code: 'DATABASE_UNREACHABLE',
        hint: 'docs/checks.md#database_unreachable',
        gate: 'enforce',
        details: `Not known: ${refused}`,
      };
      expect(body).toEqual({
        status: 'not_ready',
        checks: everyCheck({
          database: { ...unknown, details: `No usable database connection: ${refused}. ${NETWORK_HINT}` },
          environment: unknown,
          migrations: unknown,
          databaseSafety: { ok: true, details: expect.stringContaining(refused) },
          backupConfig: { ok: true, details: expect.any(String) },
          backups: { ok: true, details: expect.any(String) },
        }),
        evaluatedAt: expect.any(String),
      });
      await own.cluster.startServer();
      await service.untilVerdict('ready', TWO_PERIODS);
    });
  });

  it('goes away later: the verdict follows within two periods, and recovers automatically', async () => {
    await withService(settings(), async (service) => {
      await service.untilVerdict('ready');
      await own.cluster.stop();
      await service.untilVerdict('not_ready', TWO_PERIODS);
      expect(await service.check('database')).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
      expect((await service.get('/live')).status).toBe(200);
      await own.cluster.startServer();
      await service.untilVerdict('ready', TWO_PERIODS);
    });
  });

  it('hangs (SIGSTOP): every probe is answered immediately, and the verdict reports it until it continues', async () => {
    await withService(settings(), async (service) => {
      await service.untilVerdict('ready');
      const goOn = suspend(processTree(own.cluster.postmasterPid));
      try {
        const took = await probeFor(service, 4 * PERIOD_MS);
        expect(Math.max(...took)).toBeLessThan(1000);
        expect(await service.check('database')).toEqual({
          ok: false,
          code: 'DATABASE_TIMEOUT',
          hint: 'docs/checks.md#database_timeout',
          gate: 'enforce',
          // The timers of client and driver expire at the same moment.
          details: expect.stringMatching(
            /^No usable database connection: (no answer within 250 ms|timeout expired)\. Check in pg_stat_activity what keeps the server busy; READINESS_TIMEOUT_MS may be too short\.$/,
          ),
        });
      } finally {
        goOn();
      }
      await service.untilVerdict('ready', 2 * TWO_PERIODS);
    });
  });

  it('hangs at the start: the first probe is answered within the deadline', async () => {
    const { url } = guarded;
    const goOn = suspend(processTree(own.cluster.postmasterPid));
    try {
      await withService(settings(url), async (service) => {
        const { status, tookMs } = await service.get('/ready');
        expect(status).toBe(503);
        expect(tookMs).toBeLessThan(1000);
        goOn();
        await service.untilVerdict('ready', 2 * TWO_PERIODS);
      });
    } finally {
      goOn();
    }
  });

  describe('behind a failing network', () => {
    let proxy: TcpProxy;
    beforeAll(async () => {
      proxy = await TcpProxy.to(own.cluster.port);
    });
    afterAll(async () => {
      await proxy.close();
    });

    const proxied = (parameters = {}) =>
      settings(changedUrl(guarded.url, { port: String(proxy.port) }, parameters));

    it('is reconnected after a cut, without a "not ready" verdict', async () => {
      await withService(proxied(), async (service) => {
        await service.untilVerdict('ready');
        proxy.cut();
        const { evaluatedAt } = await service.verdict();
        await until(async () => (await service.verdict()).evaluatedAt !== evaluatedAt);
        expect((await service.verdict()).status).toBe('ready');
      });
    });

    it('refuses connections for a while', async () => {
      await withService(proxied(), async (service) => {
        await service.untilVerdict('ready');
        proxy.mode = 'refuse';
        proxy.cut();
        await service.untilVerdict('not_ready', TWO_PERIODS);
        expect(await service.check('database')).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
        proxy.mode = 'pass';
        await service.untilVerdict('ready', TWO_PERIODS);
      });
    });

    it('swallows packets for a while: hanging connections are closed', async () => {
      await withService(proxied(), async (service) => {
        await service.untilVerdict('ready');
        proxy.mode = 'swallow';
        await service.untilVerdict('not_ready', TWO_PERIODS);
        expect(await service.check('database')).toMatchObject({ code: 'DATABASE_TIMEOUT' });
        const took = await probeFor(service, 3 * PERIOD_MS);
        expect(Math.max(...took)).toBeLessThan(1000);
        expect(proxy.connections).toBeLessThanOrEqual(2);
        proxy.mode = 'pass';
        await service.untilVerdict('ready', 2 * TWO_PERIODS);
      });
    });

    it.each(['swallow', 'refuse'] as const)('never falls back from TLS because of it (%s)', async (mode) => {
      await withService(proxied({ sslmode: 'prefer' }), async (service) => {
        for (let round = 0; round < 2; round += 1) {
          await service.untilVerdict('ready');
          expect((await service.check('databaseSafety')).details).toMatch(/^TLSv1\.3, /);
          proxy.mode = mode;
          proxy.cut();
          await service.untilVerdict('not_ready');
          proxy.mode = 'pass';
        }
        await service.untilVerdict('ready');
        expect((await service.check('databaseSafety')).details).toMatch(/^TLSv1\.3, /);
      });
    });
  });

  it('crashes and recovers: so does the verdict', async () => {
    await withService(settings(), async (service) => {
      await service.untilVerdict('ready');
      const { rows } = await query(
        own.cluster.url('postgres'),
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'pgkeep readiness'`,
      );
      const { evaluatedAt } = await service.verdict();
      // After a killed backend the server assumes corrupted memory: it ends every session and replays its log.
      process.kill(Number(rows[0]?.pid), 'SIGKILL');
      await until(async () => (await service.verdict()).evaluatedAt !== evaluatedAt);
      await service.untilVerdict('ready');
    });
  });

  it('has its connections ended by an administrator: statistics still answer', async () => {
    const token = 'outage-token';
    await withService({ ...settings(), ADMIN_API_TOKEN: token }, async (service) => {
      const stats = async () =>
        (await service.get('/admin/database/stats', { authorization: `Bearer ${token}` })).status;
      expect(await stats()).toBe(200);
      await query(
        own.cluster.url('postgres'),
        `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = 'guarded'`,
      );
      expect(await stats()).toBe(200);
      await service.untilVerdict('ready', TWO_PERIODS);
    });
  });
});

/** Probes one after another for this time. @returns how long each answer took, ms. */
async function probeFor(service: WatchedService, durationMs: number): Promise<number[]> {
  const took: number[] = [];
  const deadline = performance.now() + durationMs;
  while (performance.now() < deadline) {
    for (const path of ['/ready', '/live', '/health']) took.push((await service.get(path)).tookMs);
  }
  return took;
}
