import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { query } from '../support/clinic.js';
import { createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('the service', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
    expect(await runCli(['install'], { DATABASE_URL: guarded.url })).toMatchObject({ code: 0 });
  });
  afterAll(() => own.cluster.destroy());

  const start = (environment: Readonly<Record<string, string>>): PgkeepProcess =>
    new PgkeepProcess('main', [], {
      DATABASE_URL: guarded.url,
      MIGRATIONS_DIR: guarded.migrationsDirectory,
      PORT: '0',
      HOST: '127.0.0.1',
      ...environment,
    });

  it('samples with DB_MONITORING_ENABLED, after its first verdict, and gives the lease back when it ends', async () => {
    const service = start({
      DB_MONITORING_ENABLED: 'true',
      DB_MONITORING_IGNORE: 'SETTING_DANGEROUS,UNUSED_INDEX',
    });
    try {
      await service.listening();
      await until(
        async () => (await query(guarded.url, 'SELECT FROM pgkeep.monitoring_report')).rows.length > 0,
      );
      expect(service.stderr).toContain('Samples the database.');
      expect(service.stderr).toContain(
        'DB_MONITORING_IGNORE names UNUSED_INDEX, which is no code of monitoring.',
      );
      const { rows } = await query(guarded.url, 'SELECT report FROM pgkeep.monitoring_report');
      expect(rows).toMatchObject([{ report: { report: { database: 'guarded', unseen: [] } } }]);
      service.signal('SIGINT');
      expect(await service.end()).toEqual({ code: null, signal: 'SIGINT' });
      expect(service.stderr).not.toContain('does not answer');
      const { rows: leases } = await query(
        guarded.url,
        'SELECT name, fence::int, expires_at <= now() AS over FROM pgkeep.lease',
      );
      expect(leases).toEqual([{ name: 'monitor', fence: 1, over: true }]);
    } finally {
      await service.kill();
    }
  });

  it('does not sample without it', async () => {
    await query(guarded.url, 'DELETE FROM pgkeep.lease');
    const service = start({});
    try {
      const url = await service.listening();
      await until(async () => (await fetch(`${url}/ready`)).status !== 0);
      const { rows } = await query(
        guarded.url,
        `SELECT FROM pg_stat_activity WHERE application_name LIKE 'pgkeep monitor%' UNION ALL SELECT FROM pgkeep.lease`,
      );
      expect(rows).toEqual([]);
    } finally {
      await service.kill();
    }
  });
});
