import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { faultsOf } from '../support/openapi-faults.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService } from '../support/watched-service.js';

const bearer = `Bearer ${ADMIN_TOKEN}`;

describe('the routes about jobs and backups', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let service: WatchedService;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'guarded');
    await query(url, `CREATE TABLE t AS SELECT md5(i::text) AS v FROM generate_series(1, 300000) i`);
    service = await WatchedService.start({
      DATABASE_URL: url,
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      BACKUP_ENABLED: 'true',
      BACKUP_DIR: mkdtempSync(path.join(tmpdir(), 'pgkeep-backups-')),
    });
  });
  afterAll(async () => {
    await service.close();
    await own.cluster.destroy();
  });

  const get = (route: string): request.Test => request(service.url).get(route).set('authorization', bearer);
  const post = (route: string): request.Test => request(service.url).post(route).set('authorization', bearer);

  it('name the command to run if pgkeep is not installed', async () => {
    for (const answer of [await get('/admin/jobs'), await post('/admin/backups')]) {
      expect([answer.status, answer.body.code, answer.body.hint]).toEqual([
        500,
        'NOT_INSTALLED',
        'Run `pgkeep install`.',
      ]);
      expect(faultsOf('Problem', answer.body)).toEqual([]);
    }
    await service.app.get(InstallService).install();
  });

  it('start a backup, name it while it runs, and refuse a second one', async () => {
    const begun = await post('/admin/backups');
    expect(begun.status).toBe(202);
    expect(begun.headers).toMatchObject({
      location: `/admin/jobs/${begun.body.id}`,
      'cache-control': 'no-store',
    });
    expect(faultsOf('JobRun', begun.body)).toEqual([]);
    expect(begun.body).toMatchObject({ job: 'backup', trigger: 'manual', state: 'running', fence: 1 });
    const second = await post('/admin/backups').send({});
    expect([second.status, second.headers['content-type'], second.body.code]).toEqual([
      409,
      'application/problem+json; charset=utf-8',
      'JOB_RUNNING',
    ]);
    expect(second.body.detail).toBe(
      `Job backup is already running: run ${begun.body.id}, on ${begun.body.holder} since ${begun.body.startedAt}.`,
    );
    const run = async (): Promise<request.Response> => await get(begun.headers['location'] ?? '');
    await until(async () => (await run()).body.state !== 'running');
    const { body } = await run();
    expect(faultsOf('JobRun', body)).toEqual([]);
    expect(body).toMatchObject({ state: 'succeeded', error: null, result: { tables: expect.any(Number) } });
    const backups = await get('/admin/backups');
    expect(faultsOf('Backups', backups.body)).toEqual([]);
    expect(backups.body.backups).toEqual([
      expect.objectContaining({ name: body.result.name, reason: 'manual' }),
    ]);
    const jobs = await get('/admin/jobs');
    expect(jobs.status).toBe(200);
    expect(faultsOf('Jobs', jobs.body)).toEqual([]);
    // No prune follows a backup that was started by hand.
    expect(jobs.body.jobs).toMatchObject([
      { name: 'backup', schedule: '0 2 * * *', running: null, runs: [{ id: body.id }] },
      { name: 'prune', after: 'backup', runs: [] },
      { name: 'restore-test', schedule: '0 4 * * 0', runs: [] },
      { name: 'cleanup', schedule: '0 3 * * *', runs: [] },
    ]);
  });

  it('start a restore test, and show its evidence', async () => {
    const begun = await post('/admin/restore-tests').send({});
    expect([begun.status, begun.headers['location']]).toEqual([202, `/admin/jobs/${begun.body.id}`]);
    const run = async (): Promise<request.Response> => await get(begun.headers['location'] ?? '');
    await until(async () => (await run()).body.state !== 'running', 25_000, 'the end of the test');
    const { body } = await run();
    expect(body).toMatchObject({ job: 'restore-test', state: 'succeeded', result: { verdict: 'passed' } });
    const tests = await get('/admin/restore-tests');
    expect(faultsOf('RestoreTests', tests.body)).toEqual([]);
    expect(tests.body).toMatchObject({
      total: 1,
      tests: [{ backup: body.result.backup, verdict: 'passed', hash: body.result.hash }],
      chainFault: null,
    });
  });

  it.each([
    [{ backup: 'nothing' }, 404, /^Backup "nothing" not found in /],
    [
      { backup: '../../etc/passwd' },
      400,
      /^The request body is not valid: backup must be the name of a backup: letters, digits, "_", "-" and "\."\.$/,
    ],
    [{ backup: 7 }, 400, /backup must be the name of a backup/],
    [{ name: 'x' }, 400, /^The request body is not valid: there is no parameter name\.$/],
  ])('refuse a restore test of %j', async (body, status, detail) => {
    const answer = await post('/admin/restore-tests').send(body);
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
    expect(faultsOf('Problem', answer.body)).toEqual([]);
  });

  it.each([
    ['an unknown parameter', { compress: true }, 'there is no parameter compress'],
    ['a list', ['x'], 'it must be a JSON object'],
  ])('refuse %s', async (_what, body, fault) => {
    const answer = await post('/admin/backups').send(body);
    expect([answer.status, answer.body.detail]).toEqual([400, `The request body is not valid: ${fault}.`]);
    expect(faultsOf('Problem', answer.body)).toEqual([]);
  });

  it('refuse a body that is too large or not JSON', async () => {
    const large = await post('/admin/backups').send({ name: 'x'.repeat(70_000) });
    expect([large.status, large.body.code]).toEqual([413, 'REQUEST_REFUSED']);
    const broken = await post('/admin/backups').set('content-type', 'application/json').send('{"a":');
    expect([broken.status, broken.body.code]).toEqual([400, 'REQUEST_REFUSED']);
  });

  it.each(['none', '00000000-0000-0000-0000-000000000000', "' OR true --"])(
    'answer 404 for run %s',
    async (id) => {
      const answer = await get(`/admin/jobs/${encodeURIComponent(id)}`);
      expect([answer.status, answer.body.code, answer.body.detail]).toEqual([
        404,
        'JOB_RUN_NOT_FOUND',
        `There is no run "${id}".`,
      ]);
    },
  );

  it.each([
    ['get', '/admin/jobs'],
    ['get', '/admin/jobs/none'],
    ['get', '/admin/backups'],
    ['post', '/admin/backups'],
    ['get', '/admin/restore-tests'],
    ['post', '/admin/restore-tests'],
  ] as const)('need the admin token: %s %s', async (method, route) => {
    const { status, headers } = await request(service.url)[method](route);
    expect([status, headers['www-authenticate'], headers['cache-control']]).toEqual([
      401,
      'Bearer realm="pgkeep"',
      'no-store',
    ]);
  });

  it('start nothing while backups are off', async () => {
    const off = await WatchedService.start({ DATABASE_URL: url, ADMIN_API_TOKEN: ADMIN_TOKEN });
    try {
      const { status, body } = await request(off.url).post('/admin/backups').set('authorization', bearer);
      expect([status, body.code, body.detail]).toEqual([
        409,
        'BACKUP_REFUSED',
        'Refused to start job backup: backups are off. Nothing was changed.',
      ]);
    } finally {
      await off.close();
    }
  });
});
