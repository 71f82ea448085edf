import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DriftService } from '../../src/drift/drift.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { DriftWatch } from '../../src/readiness/drift-watch.js';
import { ReadinessMonitor } from '../../src/readiness/readiness-monitor.js';
import { CLINIC_MIGRATIONS, createClinic, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { withService, type WatchedService } from '../support/watched-service.js';

jest.setTimeout(60_000);

const APPLIED = '9/9 migrations applied';

describe('/ready about drift', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** Generous: slow answers of a busy machine are tested elsewhere. */
  const settings = (url: string) => ({
    DATABASE_URL: url,
    MIGRATIONS_DIR: CLINIC_MIGRATIONS,
    READINESS_REFRESH_MS: '3000',
    READINESS_TIMEOUT_MS: '2500',
  });
  /** Returns the details of the check after another comparison. */
  const detailsAfterLook = async (service: WatchedService): Promise<string> => {
    await service.app.get(DriftWatch).refresh();
    await service.app.get(ReadinessMonitor).refresh();
    const { ok, details } = await service.check('migrations');
    expect(ok).toBe(true);
    return details.replace(/\d{4}-\d\d-\d\d/, 'DAY');
  };

  it('reports what differs while it differs, without failing', async () => {
    const url = await createClinic(own, 'drifted');
    await withService(settings(url), async (service) => {
      const { app } = service;
      await service.untilVerdict('ready');
      expect(await detailsAfterLook(service)).toBe(APPLIED);
      await app.get(InstallService).install();
      expect(await detailsAfterLook(service)).toBe(APPLIED);
      await app.get(DriftService).recordAfter('deploy');
      expect(await detailsAfterLook(service)).toBe(APPLIED);

      await query(url, 'CREATE TABLE by_hand (id int PRIMARY KEY)');
      expect(await detailsAfterLook(service)).toBe(
        `${APPLIED}; 1 object differs from what the deploy of DAY left (pgkeep migrate drift)`,
      );
      await query(url, 'ALTER TABLE children DISABLE TRIGGER ALL');
      expect(await detailsAfterLook(service)).toMatch(
        /; \d+ objects differ from what the deploy of DAY left \(pgkeep migrate drift\); 4 constraints are not enforced: public\.children\.children_parent_id_fkey, .* and 1 more$/,
      );
      expect((await service.verdict()).status).toBe('ready');
      await query(url, 'DROP TABLE by_hand; ALTER TABLE children ENABLE TRIGGER ALL');
      expect(await detailsAfterLook(service)).toBe(APPLIED);
    });
  });

  it('compares automatically, after the first verdict', async () => {
    const url = await createClinic(own, 'by_itself');
    await runCli(['install'], { NODE_ENV: 'test', DATABASE_URL: url });
    await runCli(['migrate', 'drift', '--accept'], { NODE_ENV: 'test', DATABASE_URL: url });
    await query(url, 'CREATE TABLE by_hand ()');
    await withService(settings(url), async (service) => {
      expect((await service.check('migrations')).details).toBe(APPLIED);
      await until(
        async () => (await service.check('migrations')).details.includes('1 object differs'),
        25_000,
        'the first look',
      );
    });
    const { stdout } = await runCli(['ready'], { NODE_ENV: 'test', ...settings(url) });
    expect(stdout).toContain(`${APPLIED}; 1 object differs from what the acceptance of `);
  });

  it('reports drift as unknown after migrations by another tool, and without the privileges to compare', async () => {
    const url = await createClinic(own, 'unknown');
    await withService(settings(url), async (service) => {
      await service.app.get(InstallService).install();
      await service.app.get(DriftService).recordAfter('deploy');
      await query(url, `UPDATE pgkeep.catalogue_fingerprint SET migrations = migrations - 3`);
      expect(await detailsAfterLook(service)).toBe(
        `${APPLIED}; drift is not known since the deploy of DAY: 1 migration applied by something else (pgkeep migrate drift)`,
      );
    });
    await withService(settings(url), async (service) => {
      await query(
        url,
        `UPDATE pgkeep.catalogue_fingerprint SET migrations = migrations || '["9_unheard_of"]'`,
      );
      expect(await detailsAfterLook(service)).toBe(
        `${APPLIED}; drift is not known since the deploy of DAY: 1 migration applied by something else, 1 migration gone from the history (pgkeep migrate drift)`,
      );
    });
    await query(
      url,
      `CREATE ROLE least LOGIN PASSWORD 'hush-least'; GRANT SELECT ON _prisma_migrations TO least;
       REVOKE SELECT ON pgkeep.catalogue_fingerprint FROM PUBLIC`,
    );
    await withService(settings(url.replace(/\/\/[^@]*@/, '//least:hush-least@')), async (service) => {
      expect(await detailsAfterLook(service)).toMatch(
        new RegExp(`^${APPLIED}; drift is not known: .*permission denied for table catalogue_fingerprint$`),
      );
    });
  });
});
