import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, Module, type INestApplication } from '@nestjs/common';
import { NestFactory, type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import {
  HealthCheck,
  HealthCheckService,
  HealthIndicatorService,
  TerminusModule,
  type HealthCheckResult,
} from '@nestjs/terminus';
import request from 'supertest';
import {
  BackupsHealthIndicator,
  CHECKS,
  EnvironmentHealthIndicator,
  MigrationsHealthIndicator,
  PgkeepHttpModule,
  PgkeepModule,
  readSettings,
  ReadinessMonitor,
  type CheckResult,
  type ReadinessCheck,
  type Settings,
} from '../../src/index.js';
import { createClinic, query, verified } from '../support/clinic.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Something that the application depends on besides its database. */
@Injectable()
class Cache {
  isUp = true;
}

@Module({ providers: [Cache], exports: [Cache] })
class CacheModule {}

/** The application's own check, which pgkeep runs. */
@Injectable()
class CacheCheck implements ReadinessCheck {
  readonly name = 'cache';

  constructor(private readonly cache: Cache) {}

  check(): CheckResult {
    return this.cache.isUp
      ? { ok: true, details: 'the cache answers' }
      : { ok: false, details: 'the cache does not answer', code: 'CACHE_DOWN' };
  }
}

/** The application's own health check: pgkeep's indicators beside its own. */
@Controller('status')
class StatusController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly cache: Cache,
    private readonly migrations: MigrationsHealthIndicator,
    private readonly backups: BackupsHealthIndicator,
    private readonly environment: EnvironmentHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  async check(): Promise<HealthCheckResult> {
    return await this.health.check([
      () => (this.cache.isUp ? this.indicators.check('cache').up() : this.indicators.check('cache').down()),
      () => this.migrations.isHealthy(),
      () => this.backups.isHealthy('database_backups'),
      () => this.environment.isHealthy(),
    ]);
  }
}

describe.each<[string, () => AbstractHttpAdapter]>([
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
])('a %s application', (_name, adapter) => {
  let own: ThrowAwayCluster;
  let database: string;
  let settings: Settings;
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    database = await createClinic(own, 'clinic');
    const environment = {
      ...PRODUCTION,
      READINESS_REFRESH_MS: '60000',
      READINESS_TIMEOUT_MS: '4000',
      DATABASE_URL: verified(own, database),
    };
    settings = readSettings(environment);
  });
  beforeEach(async () => {
    @Module({
      imports: [
        PgkeepModule.forRoot(settings, { imports: [CacheModule], checks: [CacheCheck] }),
        PgkeepHttpModule,
        TerminusModule.forRoot({ logger: false }),
        CacheModule,
      ],
      controllers: [StatusController],
    })
    class Application {}
    app = await NestFactory.create(Application, adapter(), { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });
  afterEach(() => app.close());
  afterAll(() => own.cluster.destroy());

  it('can use pgkeep’s checks in its own health check', async () => {
    const migrations = { status: 'up', details: '9/9 migrations applied' };
    const environment = {
      status: 'up',
      details: 'production; not stamped: run `pgkeep install`, then `pgkeep stamp production`',
    };
    const backups = {
      status: 'degraded',
      code: 'BACKUP_MISSING',
      details: expect.stringMatching(/^There is no backup - one is due every 24 hours; /),
      gate: 'warn',
      hint: 'docs/checks.md#backup_missing',
    };
    const details = { cache: { status: 'up' }, migrations, database_backups: backups, environment };
    const healthy = await request(url).get('/status');
    expect([healthy.status, healthy.body]).toEqual([
      200,
      { status: 'degraded', info: details, error: {}, details },
    ]);

    await query(
      database,
      `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%_init'`,
    );
    await app.get(ReadinessMonitor).refresh();
    const failed = {
      status: 'down',
      code: 'MIGRATIONS_FAILED',
      details: 'Migration issues: 1 failed',
      gate: 'enforce',
      hint: 'docs/checks.md#migrations_failed',
    };
    const unhealthy = await request(url).get('/status');
    expect([unhealthy.status, unhealthy.body]).toEqual([
      503,
      {
        status: 'error',
        info: { cache: { status: 'up' }, database_backups: backups, environment },
        error: { migrations: failed },
        details: { ...details, migrations: failed },
      },
    ]);
    await query(database, 'UPDATE _prisma_migrations SET finished_at = now()');
  });

  it('can add its own check to /ready, /health and the OpenAPI document', async () => {
    const ready = await request(url).get('/ready');
    expect([ready.status, ready.body.checks.cache]).toEqual([
      200,
      { ok: true, details: 'the cache answers' },
    ]);
    app.get(Cache).isUp = false;
    await app.get(ReadinessMonitor).refresh();
    const failing = { details: 'the cache does not answer', code: 'CACHE_DOWN', gate: 'enforce' };
    const refused = await request(url).get('/ready');
    expect([refused.status, refused.body.checks.cache]).toEqual([503, { ok: false, ...failing }]);
    const health = await request(url).get('/health');
    expect([health.status, health.body.error]).toEqual([503, { cache: { status: 'down', ...failing } }]);
    const { body } = await request(url).get('/openapi.json');
    expect(body.components.schemas.Verdict.properties.checks.properties.cache).toEqual({
      $ref: '#/components/schemas/ApplicationCheck',
    });
  });

  it('has an indicator for each check, which is down while the application shuts down', async () => {
    await app.get(ReadinessMonitor).verdict();
    await app.get(ReadinessMonitor).beforeApplicationShutdown('SIGINT');
    for (const { name, indicator } of CHECKS) {
      expect(await app.get(indicator).isHealthy()).toMatchObject({
        [name]: { status: 'down', code: 'SHUTTING_DOWN', hint: 'docs/checks.md#shutting_down' },
      });
    }
  });
});

describe('an application that builds the settings from its own providers', () => {
  it('can use a class with createSettings()', async () => {
    const settings = readSettings({ DATABASE_URL: 'postgresql://u@127.0.0.1:1/db' });
    @Injectable()
    class SettingsFactory {
      createSettings(): Settings {
        return settings;
      }
    }
    @Module({
      imports: [
        PgkeepModule.forRootAsync({
          useClass: SettingsFactory,
          imports: [CacheModule],
          checks: [CacheCheck],
        }),
      ],
    })
    class Application {}
    const app = await NestFactory.createApplicationContext(Application, {
      logger: false,
      abortOnError: false,
    });
    try {
      expect((await app.get(ReadinessMonitor).verdict()).checks['cache']).toEqual({
        ok: true,
        details: 'the cache answers',
      });
    } finally {
      await app.close();
    }
  });
});
