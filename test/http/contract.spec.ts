import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { openApiDocument } from '../../src/http/openapi-document.js';
import { CHECK_NAMES } from '../../src/readiness/checks.js';
import { everyCheck } from '../support/checks.js';
import { createClinic, query, verified } from '../support/clinic.js';
import { faultsOf } from '../support/openapi-faults.js';
import { ADMIN_TOKEN, PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService } from '../support/watched-service.js';

const bearer = `Bearer ${ADMIN_TOKEN}`;

describe('the HTTP contract, in production', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let service: WatchedService;
  let base: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
    // Generous: these tests are not about slow servers, and the machine may be busy.
    const unhurried = { READINESS_REFRESH_MS: '1500', READINESS_TIMEOUT_MS: '1400' };
    service = await WatchedService.start({
      ...PRODUCTION,
      ...unhurried,
      DATABASE_URL: verified(own, url),
    });
    base = service.url;
  });
  afterAll(async () => {
    await service.close();
    await own.cluster.destroy();
  });

  it('answers /ready with the seed’s body', async () => {
    const { status, body, headers } = await request(base).get('/ready');
    expect(body).toEqual({
      status: 'ready',
      checks: everyCheck({
        database: { ok: true, details: expect.stringMatching(/^PostgreSQL \d+(\.\d+)?, \d+ ms$/) },
        environment: {
          ok: true,
          details: 'production; not stamped: run `pgkeep install`, then `pgkeep stamp production`',
        },
        migrations: { ok: true, details: '9/9 migrations applied' },
        databaseSafety: {
          ok: true,
          details:
            'TLSv1.3, 20 of 100 connections; the DDL guard against DROP and TRUNCATE is not installed: run `pgkeep install --ddl-guard`',
        },
        backupConfig: { ok: true, details: '30 days retention, restore test 12 days old' },
        backups: {
          ok: false,
          details:
            'There is no backup - one is due every 24 hours; The backup schedule cannot run: the database has no tables pgkeep.job and pgkeep.job_run. Run `pgkeep install`.',
          code: 'BACKUP_MISSING',
          hint: 'docs/checks.md#backup_missing',
          gate: 'warn',
        },
      }),
      evaluatedAt: expect.any(String),
    });
    expect(faultsOf('Verdict', body)).toEqual([]);
    expect([status, headers['cache-control'], headers['content-type']]).toEqual([
      200,
      'no-store',
      'application/json; charset=utf-8',
    ]);
  });

  it('answers HEAD /ready without a body, and /live with the status alone', async () => {
    const head = await request(base).head('/ready');
    expect([head.status, head.text]).toEqual([200, undefined]);
    const live = await request(base).get('/live');
    expect([live.status, live.body, live.headers['cache-control']]).toEqual([
      200,
      { status: 'alive' },
      'no-store',
    ]);
  });

  it('answers /health in Terminus’ format', async () => {
    const { status, body } = await request(base).get('/health');
    expect([status, body.status, Object.keys(body.details)]).toEqual([200, 'degraded', CHECK_NAMES]);
    expect(body.info.migrations).toEqual({ status: 'up', details: '9/9 migrations applied' });
    expect(faultsOf('Health', body)).toEqual([]);
  });

  it('answers /admin/database/stats to the admin, with exact counts on request', async () => {
    const estimated = await request(base).get('/admin/database/stats').set('authorization', bearer);
    expect(estimated.status).toBe(200);
    expect(faultsOf('Stats', estimated.body)).toEqual([]);
    expect(estimated.body.tables[0]).toMatchObject({
      name: 'public.session_quiz_steps',
      rowCount: 7172,
      rowCountIsExact: true,
    });
    const exact = await request(base).get('/admin/database/stats?rows=exact').set('authorization', bearer);
    expect(exact.body.tables.every((table: { rowCountIsExact: boolean }) => table.rowCountIsExact)).toBe(
      true,
    );
  });

  it.each([
    ['no token', {}, 401, 'ADMIN_TOKEN_REQUIRED'],
    ['a wrong token', { authorization: 'Bearer wrong' }, 401, 'ADMIN_TOKEN_REQUIRED'],
    ['the token by another scheme', { authorization: `Basic ${ADMIN_TOKEN}` }, 401, 'ADMIN_TOKEN_REQUIRED'],
  ])('refuses the stats with %s', async (_what, headers, status, code) => {
    const answer = await request(base).get(`/admin/database/stats?token=${ADMIN_TOKEN}`).set(headers);
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="pgkeep"');
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.body).toEqual({
      type: 'about:blank',
      title: 'Unauthorized',
      status,
      detail: 'This route needs the admin token.',
      code,
      hint: 'Send the header "Authorization: Bearer <ADMIN_API_TOKEN>".',
    });
    expect(faultsOf('Problem', answer.body)).toEqual([]);
  });

  it('refuses a parameter it does not know', async () => {
    const { status, body } = await request(base)
      .get('/admin/database/stats?rows=all')
      .set('authorization', bearer);
    expect([status, body.code, body.detail]).toEqual([
      400,
      'USAGE_INVALID',
      'The query parameter rows must be exact or estimated.',
    ]);
  });

  it('answers an unknown route with a problem', async () => {
    const { status, body, headers } = await request(base).get('/nope');
    expect([status, body.code, headers['cache-control']]).toEqual([404, 'ROUTE_NOT_FOUND', 'no-store']);
  });

  it('documents every route, and serves the document', async () => {
    const { body } = await request(base).get('/openapi.json');
    expect(body).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
    // The routes about a record need one: test/http/privacy.spec.ts.
    const documented = Object.entries(openApiDocument().paths).filter(([path]) => !path.includes('{model}'));
    for (const [path, routes] of documented) {
      if (!('get' in routes)) continue;
      const answer = await request(base).get(path.replace('{id}', 'none')).set('authorization', bearer);
      // No schema of pgkeep's is installed here, without which there are no jobs, no evidence and no alerts.
      const status = /^\/admin\/(alerts|jobs|restore-tests|privacy)/.test(path) ? 500 : 200;
      expect([path, answer.status, Object.keys(routes.get.responses)]).toEqual([
        path,
        status,
        expect.arrayContaining([String(status)]),
      ]);
    }
  });

  it('answers 503 with the code and the gate when a migration fails, and then 200 again', async () => {
    await query(url, `UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name LIKE '%_init'`);
    await until(async () => (await request(base).get('/ready')).status === 503, 20_000);
    const { body } = await request(base).get('/ready');
    expect(body.status).toBe('not_ready');
    expect(body.checks.migrations).toEqual({
      ok: false,
      details: 'Migration issues: 1 failed',
      code: 'MIGRATIONS_FAILED',
      hint: 'docs/checks.md#migrations_failed',
      gate: 'enforce',
    });
    expect(faultsOf('Verdict', body)).toEqual([]);
    const health = await request(base).get('/health');
    expect([health.status, health.body.status, health.body.error.migrations.status]).toEqual([
      503,
      'error',
      'down',
    ]);
    await query(url, 'UPDATE _prisma_migrations SET finished_at = now()');
    await until(async () => (await request(base).get('/ready')).status === 200, 20_000);
  });
});
