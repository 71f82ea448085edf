import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { Clock } from '../../src/core/clock.js';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ReadinessMonitor } from '../../src/readiness/readiness-monitor.js';
import { createClinic, query, verified } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { PRODUCTION } from '../support/production.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** A clock that only the test moves. */
class SettableClock extends Clock {
  private current = new Date();
  private elapsedMs = 0;

  now(): Date {
    return this.current;
  }

  override monotonicMs(): number {
    return this.elapsedMs;
  }

  pass(ms: number): void {
    this.elapsedMs += ms;
    this.set(ms);
  }

  /** Corrects the machine's time. */
  set(byMs: number): void {
    this.current = new Date(this.current.getTime() + byMs);
  }
}

describe('the readiness monitor', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let module: TestingModule;
  const clock = new SettableClock();

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic');
  });
  afterAll(() => own.cluster.destroy());
  afterEach(() => module.close());

  async function monitor(environment: Environment = {}): Promise<ReadinessMonitor> {
    const settings = readSettings({
      ...PRODUCTION,
      READINESS_REFRESH_MS: '60000',
      READINESS_TIMEOUT_MS: '2000',
      DATABASE_URL: verified(own, url),
      ...environment,
    });
    module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] })
      .overrideProvider(Clock)
      .useValue(clock)
      .compile();
    module.useLogger(false);
    await module.init();
    return module.get(ReadinessMonitor);
  }

  it('waits for the first evaluation once, and answers from memory after that', async () => {
    const asked = await monitor();
    const first = await asked.verdict();
    expect(first).toMatchObject({ status: 'ready', evaluatedAt: clock.now().toISOString() });
    expect(asked.verdict()).toBe(first);
  });

  it('answers within the deadline when the first evaluation does not end', async () => {
    const asked = await monitor({ DATABASE_URL: 'postgresql://u@127.0.0.1:1/db' });
    const verdict = await asked.verdict();
    expect(verdict).toMatchObject({
      status: 'not_ready',
      checks: { database: { code: 'DATABASE_UNREACHABLE' } },
    });
  });

  it('keeps a verdict for three periods', async () => {
    const asked = await monitor();
    await asked.verdict();
    clock.pass(180_000);
    expect(await asked.verdict()).toMatchObject({ status: 'ready' });
    clock.pass(1);
    const stale = await asked.verdict();
    expect(stale).toMatchObject({
      status: 'not_ready',
      code: 'EVALUATION_STALE',
      checks: { migrations: { ok: true, details: '9/9 migrations applied' } },
    });
    expect(asked.verdict()).toBe(stale);
    await asked.refresh();
    expect(await asked.verdict()).toMatchObject({ status: 'ready' });
  });

  it.each([3_600_000, -3_600_000])('keeps it as long when the clock is set by %i ms', async (ms) => {
    const asked = await monitor({ READINESS_GATES: 'backupConfig=warn,backups=warn' });
    const verdict = await asked.verdict();
    clock.set(ms);
    expect(asked.verdict()).toBe(verdict);
    clock.set(-ms);
  });

  it('remembers the identity of the other environment’s database while that does not answer', async () => {
    const proxy = await TcpProxy.to(own.cluster.port);
    try {
      const other = changedUrl(url, { port: String(proxy.port) });
      const asked = await monitor({ DATABASE_URL_PROD: verified(own, url), DATABASE_URL: other });
      const shared = {
        ok: false,
        code: 'ENVIRONMENT_SHARED',
        hint: 'docs/checks.md#environment_shared',
        gate: 'enforce',
        details: expect.stringContaining(
          'DATABASE_URL and DATABASE_URL_PROD lead to the same database: give each environment its own database',
        ),
      };
      expect((await asked.verdict()).checks.environment).toEqual(shared);
      proxy.mode = 'hold';
      // Its identity is read once a minute.
      clock.pass(61_000);
      await asked.refresh();
      expect((await asked.verdict()).checks.environment).toEqual(shared);
    } finally {
      await proxy.close();
    }
  });

  it('ignores a failing latch after it was ready once, and not before', async () => {
    const gates = { READINESS_GATES: 'migrations=latch,backups=warn' };
    await query(
      url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name) SELECT 'x', '', min(migration_name) FROM _prisma_migrations`,
    );
    const never = await monitor(gates);
    expect(await never.verdict()).toMatchObject({
      status: 'not_ready',
      checks: { migrations: { gate: 'latch', ok: false } },
    });
    await query(url, `DELETE FROM _prisma_migrations WHERE id = 'x'`);
    await never.refresh();
    expect(await never.verdict()).toMatchObject({ status: 'ready' });
    await query(
      url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name) SELECT 'x', '', min(migration_name) FROM _prisma_migrations`,
    );
    await never.refresh();
    expect(await never.verdict()).toMatchObject({
      status: 'ready',
      checks: { migrations: { gate: 'latch', ok: false } },
    });
    expect(await never.health()).toMatchObject({
      status: 'degraded',
      details: { migrations: { status: 'degraded' } },
    });
    await query(url, `DELETE FROM _prisma_migrations WHERE id = 'x'`);
  });

  it('answers “not ready” while shutting down', async () => {
    const asked = await monitor();
    await asked.verdict();
    await asked.beforeApplicationShutdown('SIGINT');
    expect(await asked.verdict()).toMatchObject({
      status: 'not_ready',
      code: 'SHUTTING_DOWN',
      checks: { database: { ok: true } },
    });
    expect(await asked.health()).toMatchObject({ status: 'shutting_down' });
  });

  it('sends no query for a probe', async () => {
    const asked = await monitor();
    await asked.verdict();
    const count = async (): Promise<number> => {
      const { rows } = await query(
        own.cluster.url('postgres'),
        `SELECT pg_stat_force_next_flush(), sum(xact_commit + xact_rollback)::int AS n FROM pg_stat_database WHERE datname = 'clinic'`,
      );
      return Number(rows[0].n);
    };
    const before = await count();
    for (let probe = 0; probe < 1000; probe += 1) await asked.verdict();
    expect(await count()).toBe(before);
  });
});
