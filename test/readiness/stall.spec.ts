import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { ReadinessMonitor } from '../../src/readiness/readiness-monitor.js';
import type { Verdict } from '../../src/readiness/readiness.types.js';
import { query } from '../support/clinic.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { processTree, suspend } from '../support/process-tree.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { withService, type WatchedService } from '../support/watched-service.js';

const STALL_MS = 1500;
/** The defaults. */
const PACE = { READINESS_REFRESH_MS: '5000', READINESS_TIMEOUT_MS: '800' };
/** No period ends during the test: evaluations happen on the test's request, or after a miss. */
const LONG_PERIOD = { READINESS_REFRESH_MS: '600000', READINESS_TIMEOUT_MS: '800' };

const NO_ANSWER = '(no answer within \\d+ ms|timeout expired)';

describe('a stall', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let proxy: TcpProxy;
  let locker: Client;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
    await query(
      guarded.url,
      `CREATE ROLE ordinary LOGIN PASSWORD 'hush-ordinary';
       CREATE SCHEMA pgkeep;
       CREATE TABLE pgkeep.database_environment AS
         SELECT 'test' AS environment, '1' AS system_identifier, 1 AS database_oid, now() AS stamped_at, '' AS stamped_by;
       GRANT USAGE ON SCHEMA pgkeep TO ordinary;
       GRANT SELECT ON _prisma_migrations, pgkeep.database_environment TO ordinary`,
    );
    proxy = await TcpProxy.to(own.cluster.port);
    locker = new Client({ connectionString: guarded.url });
    locker.on('error', () => undefined);
    await locker.connect();
  });
  beforeEach(() => {
    proxy.release();
  });
  afterAll(async () => {
    await locker.end();
    await proxy.close();
    await own.cluster.destroy();
  });

  const settings = (pace: Readonly<Record<string, string>> = PACE) => ({
    DATABASE_URL: changedUrl(guarded.url, {
      port: String(proxy.port),
      username: 'ordinary',
      password: 'hush-ordinary',
    }),
    MIGRATIONS_DIR: guarded.migrationsDirectory,
    ...pace,
  });
  const lock = async (table: string): Promise<() => Promise<void>> => {
    await locker.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    return async () => void (await locker.query('ROLLBACK'));
  };
  const LOCKED_HISTORY = `public\\._prisma_migrations is locked by pid \\d+ \\(no application_name\\): a migration is being deployed`;

  it.each<[string, keyof Verdict['checks'], () => Promise<() => unknown>, RegExp]>([
    [
      'of PostgreSQL and all of its processes',
      'database',
      () => Promise.resolve(suspend(processTree(own.cluster.postmasterPid))),
      new RegExp(
        `^PostgreSQL [\\d.]+, \\d+ ms; last known, not confirmed: ${NO_ANSWER} \\(missed evaluation 1 of 3\\)$`,
      ),
    ],
    [
      'of the network',
      'databaseSafety',
      () => {
        proxy.mode = 'hold';
        return Promise.resolve(() => proxy.release());
      },
      new RegExp(`^TLSv1\\.3, .*; last known, not confirmed: ${NO_ANSWER} \\(missed evaluation 1 of 3\\)$`),
    ],
    [
      'behind a lock of the migration history',
      'migrations',
      () => lock('_prisma_migrations'),
      new RegExp(
        `^1/1 migrations applied; last known, not confirmed: ${LOCKED_HISTORY} \\(missed evaluation 1 of 3\\)$`,
      ),
    ],
    [
      'behind a lock of the stamp',
      'environment',
      () => lock('pgkeep.database_environment'),
      /^test; .*; last known, not confirmed: canceling statement due to lock timeout \(missed evaluation 1 of 3\)$/,
    ],
  ])('%s of 1.5 s during an evaluation gives no 503', async (_what, check, begin, details) => {
    await withService(settings(), async (service) => {
      await service.untilVerdict('ready');
      const end = await begin();
      const began = performance.now();
      const seen: Verdict[] = [];
      const first = service.app.get(ReadinessMonitor).refresh();
      try {
        await probe(service, seen, first);
        await probe(
          service,
          seen,
          until(() => performance.now() - began > STALL_MS),
        );
      } finally {
        await end();
      }
      await probe(
        service,
        seen,
        until(async () => (await service.check(check)).code === undefined),
      );
      expect(seen.filter(({ status }) => status !== 'ready')).toEqual([]);
      const missed = seen.map(({ checks }) => checks[check]).find((view) => view?.code !== undefined);
      const code = check === 'migrations' ? 'MIGRATIONS_LOCKED' : 'DATABASE_TIMEOUT';
      expect(missed).toEqual({
        ok: true,
        code,
        hint: `docs/checks.md#${code.toLowerCase()}`,
        details: expect.stringMatching(details),
      });
      expect(service.transcript.text).toMatch(/still ready, by the last known results: /);
    });
  });

  it('that does not end gives 503 within two periods; the last verdict is kept until then at most', async () => {
    const pace = { READINESS_REFRESH_MS: '1500', READINESS_TIMEOUT_MS: '500' };
    await withService(settings(pace), async (service) => {
      await service.untilVerdict('ready');
      proxy.mode = 'hold';
      const began = performance.now();
      await until(async () => (await service.check('database')).code === 'DATABASE_TIMEOUT');
      expect((await service.verdict()).status).toBe('ready');
      const { checks } = await service.untilVerdict('not_ready', 3000);
      expect(performance.now() - began).toBeLessThan(3200);
      expect(checks.database).toEqual({
        ok: false,
        code: 'DATABASE_TIMEOUT',
        hint: 'docs/checks.md#database_timeout',
        gate: 'enforce',
        details: expect.stringMatching(
          new RegExp(
            `^No usable database connection: ${NO_ANSWER}\\. Check in pg_stat_activity what keeps the server busy; READINESS_TIMEOUT_MS may be too short\\.$`,
          ),
        ),
      });
      proxy.release();
      await service.untilVerdict('ready');
    });
  });

  it('counts immediately with READINESS_FAILURE_THRESHOLD=0', async () => {
    await withService({ ...settings(LONG_PERIOD), READINESS_FAILURE_THRESHOLD: '0' }, async (service) => {
      await service.untilVerdict('ready');
      proxy.mode = 'hold';
      await service.app.get(ReadinessMonitor).refresh();
      expect((await service.verdict()).status).toBe('not_ready');
      proxy.release();
    });
  });

  it('at the start ends with the second evaluation, and not a period later', async () => {
    proxy.mode = 'hold';
    await withService(settings(LONG_PERIOD), async (service) => {
      expect((await service.get('/ready')).status).toBe(503);
      await until(async () => (await service.verdict()).evaluatedAt !== undefined);
      const { status, evaluatedAt } = await service.verdict();
      expect(status).toBe('not_ready');
      proxy.release();
      let next: Verdict | undefined;
      await until(async () => {
        next = await service.verdict();
        return next.evaluatedAt !== evaluatedAt;
      });
      expect(next?.status).toBe('ready');
    });
  });

  it('never turns "not ready" into "ready"', async () => {
    await withService(settings(LONG_PERIOD), async (service) => {
      await service.untilVerdict('ready');
      const monitor = service.app.get(ReadinessMonitor);
      const pending = path.join(guarded.migrationsDirectory, '20260102000000_next');
      mkdirSync(pending);
      writeFileSync(path.join(pending, 'migration.sql'), 'SELECT 1;');
      await monitor.refresh();
      expect((await service.verdict()).checks.migrations).toEqual({
        ok: false,
        code: 'MIGRATIONS_PENDING',
        hint: 'docs/checks.md#migrations_pending',
        gate: 'enforce',
        details: 'Migration issues: 1 pending',
      });
      rmSync(pending, { recursive: true });
      // The bad fact is good now; the other fact, which was good, is unknown.
      const end = await lock('pgkeep.database_environment');
      await monitor.refresh();
      const { status, checks } = await service.verdict();
      expect([status, checks.migrations?.ok, checks.environment]).toEqual([
        'not_ready',
        true,
        {
          ok: false,
          code: 'DATABASE_TIMEOUT',
          hint: 'docs/checks.md#database_timeout',
          gate: 'enforce',
          details: 'Not known: canceling statement due to lock timeout',
        },
      ]);
      await end();
      await service.untilVerdict('ready');
    });
  });

  it('does not hide a bad answer: the first evaluation reports it', async () => {
    await withService(settings(LONG_PERIOD), async (service) => {
      const monitor = service.app.get(ReadinessMonitor);
      const codeAfter = async (change: () => unknown): Promise<unknown[]> => {
        await service.untilVerdict('ready');
        await change();
        await monitor.refresh();
        const { status, checks } = await service.verdict();
        return [status, Object.values(checks).find(({ ok }) => !ok)?.code];
      };
      const stamp = (environment: string) =>
        query(guarded.url, `UPDATE pgkeep.database_environment SET environment = '${environment}'`);
      const end = async () => {
        await query(
          guarded.url,
          `SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'pgkeep readiness'`,
        );
        // The service runs in this process: it has noticed once it answers.
        await service.get('/live');
      };
      const back = async (undo: () => unknown): Promise<void> => {
        await undo();
        await monitor.refresh();
      };
      expect(await codeAfter(() => stamp('staging'))).toEqual(['not_ready', 'ENVIRONMENT_MISMATCH']);
      await back(() => stamp('test'));
      expect(
        await codeAfter(() => query(guarded.url, `UPDATE _prisma_migrations SET finished_at = NULL`)),
      ).toEqual(['not_ready', 'MIGRATIONS_FAILED']);
      await back(() => query(guarded.url, `UPDATE _prisma_migrations SET finished_at = now()`));
      expect(
        await codeAfter(async () => {
          await query(guarded.url, `ALTER ROLE ordinary PASSWORD 'hush-another'`);
          await end();
        }),
      ).toEqual(['not_ready', 'DATABASE_AUTHENTICATION_FAILED']);
      await back(() => query(guarded.url, `ALTER ROLE ordinary PASSWORD 'hush-ordinary'`));
      expect(
        await codeAfter(async () => {
          proxy.mode = 'refuse';
          await end();
        }),
      ).toEqual(['not_ready', 'DATABASE_UNREACHABLE']);
    });
  });
});

/** Probes one after another until `end` comes, and keeps the verdicts. */
async function probe(service: WatchedService, seen: Verdict[], end: Promise<unknown>): Promise<void> {
  let hasEnded = false;
  const ending = end.finally(() => {
    hasEnded = true;
  });
  await until(async () => {
    seen.push(await service.verdict());
    return hasEnded;
  }, 20_000);
  await ending;
}
