import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LazyModuleLoader } from '@nestjs/core';
import { InstallService } from '../../src/install/install.service.js';
import { loadOverview } from '../../src/overview/load-overview.js';
import type { OverviewService } from '../../src/overview/overview.service.js';
import type { Overview } from '../../src/overview/overview.types.js';
import { createGuarded } from '../support/guarded-database.js';
import { faultsOf } from '../support/openapi-faults.js';
import { ADMIN_TOKEN } from '../support/production.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { startBehindProxy } from '../support/service-behind-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import type { WatchedService } from '../support/watched-service.js';

describe('the overview', () => {
  let own: ThrowAwayCluster;
  let proxy: TcpProxy;
  let service: WatchedService;
  let overviews: OverviewService;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    ({ proxy, service } = await startBehindProxy(await createGuarded(own, 'guarded')));
    await service.untilVerdict('ready');
    overviews = await loadOverview(service.app.get(LazyModuleLoader));
  });
  afterAll(async () => {
    await service.close();
    await proxy.close();
    await own.cluster.destroy();
  });

  const get = async (): Promise<Overview> => {
    const { body } = await service.get<Overview>('/admin/overview', {
      authorization: `Bearer ${ADMIN_TOKEN}`,
    });
    return body;
  };

  it('is closed without the token', async () => {
    const { status, body } = await service.get<{ code: string }>('/admin/overview');
    expect([status, body.code]).toEqual([401, 'ADMIN_TOKEN_REQUIRED']);
  });

  it('says of each fact that cannot be read why, and has the others', async () => {
    const overview = await get();
    expect(faultsOf('Overview', overview)).toEqual([]);
    expect(overview.auditLog).toEqual({
      value: null,
      readAt: null,
      fault: 'Cannot read the audit log: the database has no table pgkeep.change_log.',
    });
    expect(overview.migrations).toMatchObject({
      value: { applied: ['20260101000000_init'], pending: [] },
      fault: null,
    });
    expect(overview.backups.value).toEqual({ backups: [], unreadable: [], unreachable: [] });
    expect(overview.stats).toEqual({ value: null, readAt: null, fault: null });
  });

  it('has what an action has changed as soon as the fact is read again', async () => {
    await service.app.get(InstallService).install('maria (http)');
    overviews.expire('auditLog', 'jobs', 'restoreTests');
    await until(async () => (await get()).auditLog.value !== null);
    const { auditLog, jobs, restoreTests } = await get();
    expect(auditLog.value).toMatchObject({
      total: 1,
      entries: [{ action: 'install', actor: 'maria (http)' }],
      chain: { verdict: 'whole', entries: 1 },
    });
    await until(async () => (await get()).restoreTests.value !== null);
    expect([jobs.value?.enabled, restoreTests.value ?? (await get()).restoreTests.value]).toEqual([
      true,
      { total: 0, tests: [], chainFault: null },
    ]);
  });

  it('reads the tables only when they are wanted', async () => {
    await overviews.latest({ withTables: true });
    await until(async () => (await get()).stats.value !== null);
    const { stats } = await get();
    expect(stats.value).toMatchObject({ tableCount: 2, tables: [{}, { name: 'public.guarded' }] });
    expect(faultsOf('Overview', await get())).toEqual([]);
  });

  it('keeps each fact and its time while the database is frozen, and answers from memory', async () => {
    const { migrations: before } = await get();
    proxy.mode = 'swallow';
    await service.untilVerdict('not_ready', 30_000);
    overviews.expire('migrations');
    const started = performance.now();
    const during = await get();
    expect(performance.now() - started).toBeLessThan(500);
    expect(during.migrations.value).toEqual(before.value);
    expect(during.verdict.status).toBe('not_ready');
    expect(during.attention).toContainEqual(
      expect.objectContaining({ code: 'DATABASE_TIMEOUT', severity: 'critical' }),
    );
    expect(faultsOf('Overview', during)).toEqual([]);
    proxy.cut();
    proxy.mode = 'refuse';
    await until(async () => (await get()).migrations.fault !== null);
    const down = (await get()).migrations;
    expect([down.value, down.readAt]).toEqual([before.value, before.readAt]);
    proxy.mode = 'pass';
    overviews.expire('migrations');
    await until(async () => (await get()).migrations.fault === null);
    await service.untilVerdict('ready', 30_000);
  });
});
