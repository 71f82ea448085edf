import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import request from 'supertest';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { HttpReceiver } from '../support/http-receiver.js';
import { faultsOf } from '../support/openapi-faults.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService } from '../support/watched-service.js';

const bearer = `Bearer ${ADMIN_TOKEN}`;

describe('the routes and commands about alerts', () => {
  let own: ThrowAwayCluster;
  let receiver: HttpReceiver;
  let environment: Record<string, string>;
  let service: WatchedService;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    receiver = await HttpReceiver.start();
    environment = {
      DATABASE_URL: await createDatabase(own, 'guarded'),
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      DB_MONITORING_ENABLED: 'true',
      DB_MONITORING_INTERVAL_SECONDS: '5',
      ALERT_WEBHOOKS: `slack+${receiver.url('/hunter2')} generic+${receiver.url('/hunter2')}`,
      ALERT_ALERTMANAGER_URLS: receiver.url('/alertmanager'),
      EMERGENCY_CONTACTS: 'Database outage | Check the server | Database Admin, +62 811 555 010',
    };
    service = await WatchedService.start(environment);
  });
  afterAll(async () => {
    await service.close();
    await receiver.close();
    await own.cluster.destroy();
  });

  const get = (route: string): request.Test => request(service.url).get(route).set('authorization', bearer);
  const post = (route: string): request.Test => request(service.url).post(route).set('authorization', bearer);
  const end = (id: string): request.Test =>
    request(service.url).delete(`/admin/alerts/silences?id=${id}`).set('authorization', bearer);

  it('name the command to run if pgkeep is not installed', async () => {
    const silence = { code: 'BLOCKED', seconds: 60, because: 'x' };
    for (const answer of [
      await get('/admin/alerts'),
      await get('/admin/alerts/silences'),
      await post('/admin/alerts/silences').send(silence),
      await end('1'),
    ]) {
      expect([answer.status, answer.body.code, answer.body.hint]).toEqual([
        500,
        'NOT_INSTALLED',
        'Run `pgkeep install`.',
      ]);
    }
    await service.app.get(InstallService).install();
  });

  it('send a test to every receiver, and record it', async () => {
    receiver.answer = (response, { path }) =>
      response.writeHead(path.startsWith('/alertmanager') ? 500 : 200).end();
    const { status, body } = await post('/admin/alerts/test');
    expect(faultsOf('TestedAlert', body)).toEqual([]);
    expect([status, body]).toEqual([
      200,
      {
        receivers: [
          { receiver: 'slack', delivered: true, durationMs: expect.any(Number), error: null, hint: null },
          { receiver: 'generic', delivered: true, durationMs: expect.any(Number), error: null, hint: null },
          {
            receiver: 'alertmanager',
            delivered: false,
            durationMs: expect.any(Number),
            error: 'alertmanager answered with status 500.',
            hint: null,
          },
        ],
        recorded: true,
      },
    ]);
    receiver.reset();
    const cli = await runCli(['monitor', 'test-alert'], environment);
    expect(cli).toMatchObject({ code: 0, stderr: '' });
    expect(cli.stdout).toMatch(
      /^slack {9}delivered in \d+ ms\ngeneric {7}delivered in \d+ ms\nalertmanager {2}delivered in \d+ ms\n$/,
    );
    expect(receiver.received.map(({ path }) => path).toSorted()).toEqual([
      '/alertmanager/api/v2/alerts',
      '/alertmanager/api/v2/alerts',
      '/hunter2',
      '/hunter2',
    ]);
    const log = await runCli(['changelog', '--json'], environment);
    expect(JSON.parse(log.stdout).entries.slice(-2)).toMatchObject([
      { action: 'test-alert', actor: 'admin token (http)' },
      { action: 'test-alert', details: { receivers: [{ receiver: 'slack', delivered: true }, {}, {}] } },
    ]);
  });

  it('report a receiver that does not take it, with exit 1 and without its address', async () => {
    const cli = await runCli(['monitor', 'test-alert'], {
      ...environment,
      ALERT_WEBHOOKS: `slack+${receiver.url('/gone')} discord+https://nowhere.invalid/hunter2`,
      ALERT_ALERTMANAGER_URLS: '',
    });
    expect(cli.code).toBe(1);
    expect(cli.stdout).toMatch(
      /^slack {4}delivered in \d+ ms\ndiscord {2}FAILED: discord cannot be found: its host name was not resolved \(\w+\)\.\n$/,
    );
    const none = await runCli(['monitor', 'test-alert'], { DATABASE_URL: environment['DATABASE_URL'] ?? '' });
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('There is no receiver of alerts to test.');
  });

  it('silence alerts, list the silences and end them, with entries in the audit log', async () => {
    const parameters = {
      code: 'BLOCKED',
      subject: 'clinic-import',
      seconds: 7200,
      because: 'import of November',
    };
    const { status, body } = await post('/admin/alerts/silences').send(parameters);
    expect(status).toBe(201);
    expect(faultsOf('SilenceReport', body)).toEqual([]);
    expect(body).toMatchObject({
      silence: { id: 1, code: 'BLOCKED', subject: 'clinic-import', by: 'admin token (http)' },
    });
    const cli = await runCli(
      ['monitor', 'silence', 'QUERY_LONG', '--for', '30m', '--because', 'a report'],
      environment,
    );
    expect(cli.stdout).toMatch(
      /^QUERY_LONG is silenced until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC; entry \d+ of the audit log\. To end it: pgkeep monitor unsilence 2\n$/,
    );
    const listed = await get('/admin/alerts/silences');
    expect(faultsOf('Silences', listed.body)).toEqual([]);
    expect(listed.body.silences.map(({ id }: { id: number }) => id)).toEqual([2, 1]);
    expect((await runCli(['monitor', 'silences'], environment)).stdout).toMatch(
      /^2 {2}QUERY_LONG {13}until [^\n]+ UTC {2}\S+@\S+: a report\n1 {2}BLOCKED:clinic-import {2}until [^\n]+ UTC {2}admin token \(http\): import of November\n$/,
    );
    expect((await runCli(['monitor', 'unsilence', '2'], environment)).stdout).toMatch(
      /^The silence of QUERY_LONG has ended; entry \d+ of the audit log\.\n$/,
    );
    expect((await end('1')).body).toMatchObject({ silence: { id: 1 } });
    const again = await end('1');
    expect([again.status, again.body.detail]).toEqual([404, 'There is no silence 1 in force.']);
    expect((await runCli(['monitor', 'silences'], environment)).stdout).toBe('Nothing is silenced.\n');
    const log = await runCli(['changelog', '--json'], environment);
    const entries: { action: string; subject: string }[] = JSON.parse(log.stdout).entries;
    expect(entries.slice(-4).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      'silence BLOCKED:clinic-import',
      'silence QUERY_LONG',
      'unsilence QUERY_LONG',
      'unsilence BLOCKED:clinic-import',
    ]);
  });

  it.each([
    [{ code: 'blocked', seconds: 1, because: 'x' }, 'code must be the code of an alert, such as BLOCKED'],
    [
      { code: 'BLOCKED', seconds: 0.5, because: 'x' },
      'seconds must be a whole number of seconds from 1 to 2678400',
    ],
    [
      { code: 'BLOCKED', seconds: 60, because: ' ' },
      'because must be a text of at most 2,000 characters: why',
    ],
    [{ code: 'BLOCKED', seconds: 60, because: 'x', until: 'x' }, 'there is no parameter until'],
  ])('refuse %j', async (body, fault) => {
    const answer = await post('/admin/alerts/silences').send(body);
    expect([answer.status, answer.body.detail]).toEqual([400, `The request body is not valid: ${fault}.`]);
  });

  it('refuse nonsense on the command line', async () => {
    const silence = async (...args: string[]) => {
      const { code, stderr } = await runCli(['monitor', 'silence', ...args], environment);
      return [code, ...stderr.split('\n').slice(0, 2)];
    };
    expect(await silence('BLOCKT', '--for', '1h', '--because', 'x')).toEqual([
      2,
      'No alert has the code "BLOCKT".',
      'Did you mean BLOCKED? `pgkeep monitor` shows the code of each finding.',
    ]);
    expect(await silence('BLOCKED', '--for', '99d', '--because', 'x')).toEqual([
      2,
      'A silence lasts from 1 second to 31 days.',
      'Fix the cause, or name the finding in DB_MONITORING_IGNORE.',
    ]);
    expect((await silence('BLOCKED', '--for', 'ever', '--because', 'x'))[1]).toContain(
      'Use a number and a unit: 30m, 2h, 3d.',
    );
    expect((await end('x')).status).toBe(400);
    expect((await runCli(['monitor', 'unsilence', '-1'], environment)).code).toBe(2);
  });

  it('show an alert that the service found, and sent', async () => {
    const running = new PgkeepProcess('main', [], { ...environment, PORT: '0', HOST: '127.0.0.1' });
    const url = environment['DATABASE_URL'] ?? '';
    await query(url, `CREATE TABLE visits (id int)`);
    const sessions = await Promise.all(
      ['clinic <!channel> import', 'waits'].map(async (name) => {
        const client = new Client({
          connectionString: `${url.replace(/\?.*$/, '')}?application_name=${encodeURIComponent(name)}`,
        });
        await client.connect();
        return client;
      }),
    );
    const [holds, waits] = sessions;
    await holds?.query('BEGIN; LOCK TABLE visits');
    const waiting = waits?.query(`SELECT 'a secret of a patient' FROM visits`);
    try {
      await until(() => receiver.received.some(({ body }) => body.includes('BLOCKED')), 60_000);
      const { body } = await get('/admin/alerts');
      expect(faultsOf('Alerts', body)).toEqual([]);
      expect(body.alerts.find(({ code }: { code: string }) => code === 'BLOCKED')).toMatchObject({
        state: 'firing',
        subject: 'clinic <!channel> import',
        sql: expect.stringMatching(/^SELECT pg_terminate_backend\(\d+\);$/),
        contact: 'Database Admin, +62 811 555 010. Database outage: Check the server',
      });
      const sent = receiver.received.map(({ body: text }) => text).join('\n');
      expect(sent).not.toContain('a secret of a patient');
      await until(async () => {
        const { body: later } = await get('/admin/alerts');
        return later.deliveries.every(({ due }: { due: number }) => due === 0);
      });
    } finally {
      await running.kill();
      await holds?.query('ROLLBACK');
      await waiting;
      await Promise.all(sessions.map((session) => session.end()));
    }
  });
});
