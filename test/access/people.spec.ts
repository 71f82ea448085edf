import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobRun } from '../../src/index.js';
import { FailedLogins } from '../../src/access/failed-logins.js';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { Issuer } from '../support/issuer.js';
import { faultsOf } from '../support/openapi-faults.js';
import { PgkeepProcess } from '../support/pgkeep-process.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { selfSigned } from '../support/server-certificates.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService } from '../support/watched-service.js';

/** The requests with it are refused before a database is needed. */
const NOWHERE = { DATABASE_URL: 'postgresql://u@127.0.0.1:1/db' };

describe('people who send a JSON Web Token', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let issuer: Issuer;
  let service: WatchedService;

  beforeAll(async () => {
    [own, issuer] = await Promise.all([startThrowAwayCluster(), Issuer.start()]);
    url = await createDatabase(own, 'guarded');
    service = await WatchedService.start({
      DATABASE_URL: url,
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      ...issuer.settings,
      BACKUP_ENABLED: 'true',
      BACKUP_DIR: mkdtempSync(path.join(tmpdir(), 'pgkeep-backups-')),
      TEST_DATABASE_URL: own.cluster.url('postgres'),
      TRUST_PROXY: '127.0.0.1',
      READINESS_DETAILS: 'never',
    });
    await service.app.get(InstallService).install();
  });
  afterAll(async () => {
    await service.close();
    await issuer.close();
    await own.cluster.destroy();
  });

  interface Sent {
    readonly status: number;
    readonly body: Readonly<Record<string, unknown>>;
    readonly challenge: string | null;
  }

  /** Each test is another client, so that failures of one do not close the routes to the next. */
  let client = 0;
  async function send(
    token: string,
    method: string,
    route: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Sent> {
    const response = await fetch(service.url + route, {
      method,
      headers: { authorization: `Bearer ${token}`, 'x-forwarded-for': `192.0.2.${client}`, ...headers },
    });
    const body: Sent['body'] = JSON.parse(await response.text());
    return { status: response.status, body, challenge: response.headers.get('www-authenticate') };
  }

  /** Starts a job and returns who did it, as the audit log says. */
  async function actorOf(token: string, route: string, action: string): Promise<unknown> {
    const begun = await send(token, 'POST', route);
    expect([begun.status, begun.body]).toEqual([202, expect.objectContaining({ state: 'running' })]);
    const find = async (): Promise<JobRun> =>
      (
        await service.get<JobRun>(`/admin/jobs/${String(begun.body['id'])}`, {
          authorization: `Bearer ${ADMIN_TOKEN}`,
        })
      ).body;
    await until(async () => (await find()).state !== 'running', 60_000);
    expect(await find()).toMatchObject({ state: 'succeeded', error: null });
    const { rows } = await query(
      url,
      `SELECT actor FROM pgkeep.change_log WHERE action = '${action}' ORDER BY seq DESC LIMIT 1`,
    );
    return rows[0]?.actor;
  }

  it('are named in the audit log by what they began; the holder of the admin token as such', async () => {
    client = 1;
    expect(await actorOf(await issuer.sign(), '/admin/backups', 'backup')).toBe('ani (http)');
    expect(
      await actorOf(await issuer.sign({ sub: 'root@db1' }), '/admin/restore-tests', 'restore-test'),
    ).toBe('root@db1 (http)');
    expect(await actorOf(ADMIN_TOKEN, '/admin/backups', 'backup')).toBe('admin token (http)');
  }, 120_000);

  it('may have awkward names', async () => {
    client = 2;
    for (const sub of ['"; DROP TABLE pgkeep.job; --\\ <img onerror=alert(1)> عبد الله', 'x'.repeat(255)]) {
      expect(await actorOf(await issuer.sign({ sub }), '/admin/backups', 'backup')).toBe(`${sub} (http)`);
    }
    const long = await issuer.sign({ sub: 'x'.repeat(10_000) });
    expect(await send(long, 'GET', '/admin/jobs')).toMatchObject({
      status: 401,
      body: { code: 'JWT_REFUSED' },
    });
  }, 120_000);

  it('use the routes of their role', async () => {
    client = 3;
    const [viewer, operator, admin] = await Promise.all(
      ['pgkeep-viewer', 'pgkeep-operator', 'pgkeep-admin'].map(
        async (role) => await issuer.sign({ roles: [role] }),
      ),
    );
    const routes = [
      ['GET', '/admin/jobs'],
      ['POST', '/admin/restore-tests'],
      ['GET', '/admin/privacy/Child/1/export'],
    ] as const;
    const allowed = async (token = ''): Promise<boolean[]> =>
      await Promise.all(
        routes.map(async ([method, route]) => (await send(token, method, route)).status !== 403),
      );
    expect([await allowed(viewer), await allowed(operator), await allowed(admin)]).toEqual([
      [true, false, false],
      [true, true, false],
      [true, true, true],
    ]);
    const refused = await send(viewer ?? '', 'POST', '/admin/backups');
    expect(refused).toEqual({
      status: 403,
      challenge: null,
      body: {
        type: 'about:blank',
        title: 'Forbidden',
        status: 403,
        detail: 'This needs the role operator, and ani is viewer.',
        code: 'ROLE_REQUIRED',
        hint: 'Ask an administrator for the role: docs/access.md#roles.',
      },
    });
    expect(faultsOf('Problem', refused.body)).toEqual([]);
    expect(
      (await fetch(`${service.url}/metrics`, { headers: { authorization: `Bearer ${viewer}` } })).status,
    ).toBe(200);
    expect((await send(viewer ?? '', 'GET', '/ready')).body).toEqual({ status: expect.any(String) });
  });

  it('are refused with the reason', async () => {
    client = 4;
    const expired = await send(await issuer.sign({ exp: 1 }), 'GET', '/admin/jobs');
    expect(expired).toEqual({
      status: 401,
      challenge: 'Bearer realm="pgkeep", error="invalid_token"',
      body: {
        type: 'about:blank',
        title: 'Unauthorized',
        status: 401,
        detail: 'The JSON Web Token has expired.',
        code: 'JWT_REFUSED',
        hint: 'Sign in again at the identity provider, and compare the token with the settings ADMIN_JWT_….',
      },
    });
    expect(await send('nonsense', 'GET', '/admin/jobs')).toMatchObject({
      status: 401,
      challenge: 'Bearer realm="pgkeep"',
      body: {
        code: 'ADMIN_TOKEN_REQUIRED',
        detail: 'This route needs the admin token, or a JSON Web Token of https://id.example/realms/clinic.',
        hint: 'Send the header "Authorization: Bearer <token>".',
      },
    });
  });

  it('are not locked out by the failures of others behind the same address', async () => {
    client = 5;
    const before = service.app.get(FailedLogins).total;
    for (let n = 0; n < 10; n += 1) await send(`guess-${n}`, 'GET', '/admin/jobs');
    expect(service.app.get(FailedLogins).total).toBe(before + 10);
    expect(service.app.get(FailedLogins).within(5)).toBeGreaterThanOrEqual(10);
    expect(await send(ADMIN_TOKEN, 'GET', '/admin/jobs')).toMatchObject({
      status: 429,
      body: { code: 'TOO_MANY_FAILURES' },
    });
    expect(await send(await issuer.sign({ exp: 1 }), 'GET', '/admin/jobs')).toMatchObject({ status: 429 });
    expect(await send(await issuer.sign(), 'GET', '/admin/jobs')).toMatchObject({ status: 200 });
  });

  it('cannot be made to send a request by the page of another site: a proxy adds the token to it', async () => {
    client = 6;
    const token = await issuer.sign();
    const others: readonly Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'https://evil.example' },
    ];
    for (const headers of others) {
      const sent = await send(token, 'POST', '/admin/backups', headers);
      expect([sent.status, sent.body['code']]).toEqual([403, 'CROSS_SITE_REFUSED']);
    }
  });
});

describe('an issuer', () => {
  it('whose keys cannot be read is no failure of who asks', async () => {
    const issuer = await Issuer.start();
    const settings = issuer.settings;
    const token = await issuer.sign();
    await issuer.close();
    const service = await WatchedService.start({ ...NOWHERE, ...settings, ADMIN_API_TOKEN: ADMIN_TOKEN });
    for (let n = 0; n < 12; n += 1) {
      expect(await service.get('/admin/jobs', { authorization: `Bearer ${token}` })).toMatchObject({
        status: 503,
        body: { code: 'JWT_KEYS_UNAVAILABLE', hint: expect.stringContaining('ADMIN_JWT_JWKS_URL') },
      });
    }
    expect(service.transcript.text).toContain(
      'Cannot read the keys of the issuer of JSON Web Tokens: ADMIN_JWT_JWKS_URL refused the connection (ECONNREFUSED).',
    );
    // The right token needs no keys, and was not locked out.
    expect((await service.get('/admin/jobs', { authorization: `Bearer ${ADMIN_TOKEN}` })).body).toMatchObject(
      {
        code: 'DATABASE_UNREACHABLE',
      },
    );
    await service.close();
  });

  it('is enough: without an admin token the routes are open to its tokens', async () => {
    const issuer = await Issuer.start();
    const service = await WatchedService.start({ ...NOWHERE, ...issuer.settings });
    const ask = async (token: string): Promise<unknown> =>
      (await service.get<{ code: string }>('/admin/jobs', { authorization: `Bearer ${token}` })).body.code;
    expect([await ask(await issuer.sign()), await ask('guess')]).toEqual([
      'DATABASE_UNREACHABLE',
      'ADMIN_TOKEN_REQUIRED',
    ]);
    await service.close();
    await issuer.close();
  });

  it('publishes its keys by https, with a certificate that this machine trusts', async () => {
    const certificate = await selfSigned(['127.0.0.1']);
    const issuer = await Issuer.start(certificate);
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-test-')), 'ca.pem');
    writeFileSync(file, certificate.certificate);
    const settings = { ...NOWHERE, ...issuer.settings, PORT: '0', HOST: '127.0.0.1' };
    const processes = [
      new PgkeepProcess('main', [], settings),
      new PgkeepProcess('main', [], { ...settings, NODE_EXTRA_CA_CERTS: file }),
    ];
    try {
      const token = await issuer.sign();
      const codes = await Promise.all(
        processes.map(async (one) => {
          const headers = { authorization: `Bearer ${token}` };
          const response = await fetch(`${await one.listening()}/admin/jobs`, { headers });
          const body: { code: string } = JSON.parse(await response.text());
          return body.code;
        }),
      );
      expect(codes).toEqual(['JWT_KEYS_UNAVAILABLE', 'DATABASE_UNREACHABLE']);
      expect(processes[0]?.stderr).toContain(
        'presented a certificate that this machine does not trust (DEPTH_ZERO_SELF_SIGNED_CERT).',
      );
      expect(processes[0]?.stderr).toContain(
        'Set NODE_EXTRA_CA_CERTS to the file of your certificate authority',
      );
    } finally {
      for (const one of processes) await one.kill();
      await issuer.close();
    }
  });
});
