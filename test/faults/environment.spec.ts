import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InstallService } from '../../src/install/install.service.js';
import { StampService } from '../../src/environment/stamp.service.js';
import { createDatabase } from '../support/clinic.js';
import { evaluate, withApp } from '../support/evaluate.js';
import { changedUrl, createGuarded } from '../support/guarded-database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('a database of another environment', () => {
  let own: ThrowAwayCluster;
  let migrationsDirectory: string;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const guarded = await createGuarded(own, 'production');
    ({ migrationsDirectory } = guarded);
    await createDatabase(own, 'development', 'production');
    for (const environment of ['production', 'development'] as const) {
      await withApp({ DATABASE_URL: own.cluster.url(environment) }, async (app) => {
        await app.get(InstallService).install();
        await app.get(StampService).stamp(environment);
      });
    }
  }, 30_000);
  afterAll(async () => {
    await own.cluster.destroy();
  });

  const environmentOf = async (environment: Record<string, string>) => {
    const { checks } = await evaluate({ MIGRATIONS_DIR: migrationsDirectory, ...environment });
    return checks.environment;
  };

  it.each([
    ['production', 'development'],
    ['development', 'production'],
    ['staging', 'production'],
  ] as const)('is refused if the service runs as %s and the stamp says %s', async (running, stamped) => {
    expect(await environmentOf({ NODE_ENV: running, DATABASE_URL: own.cluster.url(stamped) })).toEqual({
      ok: false,
      code: 'ENVIRONMENT_MISMATCH',
      hint: 'docs/checks.md#environment_mismatch',
      gate: 'enforce',
      details: `The database is stamped ${stamped}, but this service runs as ${running}: point DATABASE_URL at the ${running} database, or set NODE_ENV=${stamped}`,
    });
    const stamping = withApp({ DATABASE_URL: own.cluster.url(stamped) }, (app) =>
      app.get(StampService).stamp(running),
    );
    await expect(stamping).rejects.toMatchObject({
      code: 'STAMP_REFUSED',
      message: expect.stringMatching(
        `^Refused to stamp database "${stamped}" as ${running}: it is stamped ${stamped} by "postgres" on .*\\. Nothing was changed\\.$`,
      ),
    });
  });

  it.each(['production', 'development'])(
    'is shared, under whatever host name (running as %s)',
    async (running) => {
      const url = own.cluster.url(running);
      const alias = changedUrl(url, { hostname: 'localhost' }, { sslmode: 'require' });
      const shared = { NODE_ENV: running, DATABASE_URL: url, DATABASE_URL_PROD: alias };
      expect(await environmentOf(shared)).toEqual({
        ok: false,
        code: 'ENVIRONMENT_SHARED',
        hint: 'docs/checks.md#environment_shared',
        gate: 'enforce',
        details:
          'DATABASE_URL and DATABASE_URL_PROD lead to the same database: give each environment its own database',
      });
      const apart = {
        NODE_ENV: running,
        DATABASE_URL: own.cluster.url('development'),
        DATABASE_URL_PROD: own.cluster.url('production'),
      };
      expect(await environmentOf(apart)).toEqual({ ok: true, details: running });
    },
  );

  it('is reported as a copy if its stamp was made in another database', async () => {
    await createDatabase(own, 'copy', 'production');
    expect(await environmentOf({ NODE_ENV: 'production', DATABASE_URL: own.cluster.url('copy') })).toEqual({
      ok: true,
      details:
        'production; the stamp was written in another database, so this one is a copy: run `pgkeep stamp production` once you know what the copy is for',
    });
  });

  it.each(['refuse', 'swallow'] as const)(
    'is judged by its stamp alone if the other database cannot be reached (%s)',
    async (mode) => {
      const proxy = await TcpProxy.to(own.cluster.port);
      proxy.mode = mode;
      const unreachable = changedUrl(own.cluster.url('development'), { port: String(proxy.port) });
      const running = { NODE_ENV: 'production', DATABASE_URL: unreachable };
      const DATABASE_URL_PROD = own.cluster.url('production');
      expect(await environmentOf({ ...running, DATABASE_URL_PROD })).toEqual({
        ok: true,
        details: 'production',
      });
      await proxy.close();
    },
  );
});
