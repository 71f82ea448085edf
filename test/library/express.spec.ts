import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import request from 'supertest';
import {
  PgkeepHttpModule,
  PgkeepModule,
  readSettings,
  ReadinessService,
  SETTINGS,
  type Settings,
} from '../../src/index.js';
import { createClinic, verified } from '../support/clinic.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

@Controller()
class OwnController {
  @Get()
  hello(): string {
    return 'hello';
  }
}

@Module({ providers: [{ provide: 'vault', useValue: { databaseUrl: '' } }], exports: ['vault'] })
class VaultModule {}

describe('a small Express application', () => {
  let own: ThrowAwayCluster;
  let settings: Settings;
  let app: INestApplication | undefined;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createClinic(own, 'clinic');
    const patience = { READINESS_REFRESH_MS: '5000', READINESS_TIMEOUT_MS: '4000' };
    settings = readSettings({ ...PRODUCTION, ...patience, DATABASE_URL: verified(own, url) });
  });
  afterEach(async () => {
    await app?.close();
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });

  async function listen(module: Type): Promise<string> {
    app = await NestFactory.create(module, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return await app.getUrl();
  }

  it('imports pgkeep without any route or background work', async () => {
    @Module({ imports: [PgkeepModule.forRoot(settings)], controllers: [OwnController] })
    class Application {}
    const url = await listen(Application);
    expect((await request(url).get('/')).text).toBe('hello');
    expect((await request(url).get('/ready')).status).toBe(404);
    expect(own.cluster.port).toBeGreaterThan(0);
    const { verdict } = (await app?.get(ReadinessService).evaluate()) ?? {};
    expect(verdict?.status).toBe('ready');
  });

  it('gets the routes by a second import, and keeps its own error format', async () => {
    @Module({
      imports: [
        PgkeepModule.forRootAsync({ imports: [VaultModule], inject: ['vault'], useFactory: () => settings }),
        PgkeepHttpModule,
      ],
      controllers: [OwnController],
    })
    class Application {}
    const url = await listen(Application);
    const ready = await request(url).get('/ready');
    expect([ready.status, ready.body.status, ready.headers['cache-control']]).toEqual([
      200,
      'ready',
      'no-store',
    ]);
    expect((await request(url).head('/ready')).status).toBe(200);
    const stats = await request(url).get('/admin/database/stats');
    expect([stats.status, stats.headers['content-type'], stats.headers['www-authenticate']]).toEqual([
      401,
      'application/problem+json; charset=utf-8',
      'Bearer realm="pgkeep"',
    ]);
    expect((await request(url).get('/nope')).body).toEqual({
      statusCode: 404,
      message: 'Cannot GET /nope',
      error: 'Not Found',
    });
    expect(app?.get(SETTINGS)).toBe(settings);
  });
});
