import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { InstallService, StartupInstall } from '../../src/install/install.service.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { createDatabase, query } from '../support/clinic.js';
import { OWN_MIGRATIONS } from '../support/own-migrations.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

interface Verbs {
  readonly install: InstallService;
  readonly stamp: StampService;
  readonly startup: StartupInstall;
}

describe('install and stamp', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  async function using<T>(
    url: string,
    work: (verbs: Verbs) => Promise<T>,
    environment: Environment = {},
  ): Promise<T> {
    const settings = readSettings({ DATABASE_URL: url, ...environment });
    const module = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] }).compile();
    module.useLogger(false);
    try {
      return await work({
        install: module.get(InstallService),
        stamp: module.get(StampService),
        startup: module.get(StartupInstall),
      });
    } finally {
      await module.close();
    }
  }

  it('installs once, in schema pgkeep, without changing the application’s schema', async () => {
    const url = await createDatabase(own, 'fresh');
    expect(await using(url, ({ install }) => install.install())).toEqual({ applied: OWN_MIGRATIONS });
    expect(await using(url, ({ install }) => install.install())).toEqual({ applied: [] });
    const { rows } = await query(
      url,
      `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('public', 'pgkeep') ORDER BY 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'pgkeep._prisma_migrations',
      'pgkeep.alert',
      'pgkeep.alert_delivery',
      'pgkeep.alert_silence',
      'pgkeep.catalogue_fingerprint',
      'pgkeep.change_log',
      'pgkeep.correction',
      'pgkeep.database_environment',
      'pgkeep.ended_session',
      'pgkeep.index_scans',
      'pgkeep.job',
      'pgkeep.job_run',
      'pgkeep.lease',
      'pgkeep.legal_hold',
      'pgkeep.monitoring_report',
      'pgkeep.privacy_action',
      'pgkeep.privacy_row',
      'pgkeep.privacy_salt',
      'pgkeep.restore_test',
      'pgkeep.sample',
      'pgkeep.table_policy',
      'pgkeep.table_size',
    ]);
  });

  it('installs once when two run concurrently', async () => {
    const url = await createDatabase(own, 'raced');
    const reports = await Promise.all([
      using(url, ({ install }) => install.install()),
      using(url, ({ install }) => install.install()),
    ]);
    expect(reports.flatMap(({ applied }) => applied)).toEqual(OWN_MIGRATIONS);
  });

  it('names the grant that is missing', async () => {
    const url = await createDatabase(own, 'foreign');
    await query(url, `CREATE ROLE "weak role" LOGIN PASSWORD 'pw'`);
    const weak = url.replace(/\/\/[^@]*@/, '//weak%20role:pw@');
    await expect(using(weak, ({ install }) => install.install())).rejects.toMatchObject({
      code: 'DATABASE_PERMISSION_DENIED',
      message: 'Cannot install schema pgkeep: role "weak role" cannot create it in database "foreign".',
      hint: 'Run `pgkeep install` as the owner of the database, or grant: GRANT CREATE ON DATABASE "foreign" TO "weak role";',
    });
    await using(url, ({ install }) => install.install());
    expect(await using(weak, ({ install }) => install.install())).toEqual({ applied: [] });
  });

  it('stamps, changes nothing when repeated, and refuses another environment', async () => {
    const url = await createDatabase(own, 'stamped');
    await expect(using(url, ({ stamp }) => stamp.stamp('production'))).rejects.toMatchObject({
      code: 'NOT_INSTALLED',
      message: 'Cannot stamp the database: it has no schema pgkeep. Nothing was changed.',
      hint: 'Run `pgkeep install`, then `pgkeep stamp production`.',
    });
    await using(url, async ({ install, stamp }) => {
      await install.install();
      expect(await stamp.stamp('production')).toMatchObject({
        environment: 'production',
        database: 'stamped',
        changed: true,
      });
      expect(await stamp.stamp('production')).toMatchObject({ changed: false });
      for (const options of [
        {},
        { replace: true },
        { replace: true, target: 'other' },
        { target: 'stamped' },
      ]) {
        await expect(stamp.stamp('development', options)).rejects.toMatchObject({
          code: 'STAMP_REFUSED',
          message: expect.stringMatching(
            /^Refused to stamp database "stamped" as development: it is stamped production by "postgres" on \d{4}-\d\d-\d\d\. Nothing was changed\.$/,
          ),
          hint: 'To make it the development database: `pgkeep stamp development --replace --target stamped`.',
        });
      }
      expect(await stamp.stamp('development', { replace: true, target: 'stamped' })).toMatchObject({
        changed: true,
      });
    });
    const { rows } = await query(
      url,
      'SELECT count(*)::int AS n, min(environment) AS environment FROM pgkeep.database_environment',
    );
    expect(rows).toEqual([{ n: 1, environment: 'development' }]);
  });

  it('accepts one of two concurrent stamps', async () => {
    const url = await createDatabase(own, 'contended');
    await using(url, ({ install }) => install.install());
    const attempts = await Promise.allSettled([
      using(url, ({ stamp }) => stamp.stamp('production')),
      using(url, ({ stamp }) => stamp.stamp('staging')),
    ]);
    expect(attempts.map(({ status }) => status)).toContain('fulfilled');
    expect(attempts.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'STAMP_REFUSED' },
    });
    const { rows } = await query(
      url,
      `SELECT count(*)::int AS n FROM pgkeep.change_log WHERE action = 'stamp'`,
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('recognises a copy by its stamp', async () => {
    await query(own.cluster.url('postgres'), 'CREATE DATABASE copied TEMPLATE stamped');
    await using(own.cluster.url('copied'), async ({ stamp }) => {
      await expect(stamp.stamp('test')).rejects.toMatchObject({
        message: expect.stringContaining(
          ', when it was another database: this is a copy. Nothing was changed.',
        ),
      });
      expect(await stamp.stamp('development')).toMatchObject({ changed: true });
    });
  });

  it('allows a service to stamp in production only', async () => {
    const url = await createDatabase(own, 'served');
    expect(await using(url, ({ startup }) => startup.run(), { NODE_ENV: 'development' })).toBe(true);
    expect((await query(url, 'SELECT * FROM pgkeep.database_environment')).rowCount).toBe(0);
    expect(await using(url, ({ startup }) => startup.run(), { NODE_ENV: 'production' })).toBe(true);
    expect((await query(url, 'SELECT environment FROM pgkeep.database_environment')).rows).toEqual([
      { environment: 'production' },
    ]);
    expect(await using(url, ({ startup }) => startup.run(), { NODE_ENV: 'production' })).toBe(false);
  });
});
