import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { PagesApp } from '../support/pages.js';
import { runCli } from '../support/pgkeep-process.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** The tests' requests come from loopback, so that is the proxy. */
const BY_TLS = { 'x-forwarded-proto': 'https' };

const HOLDER = { name: 'admin token', role: 'admin', by: 'session' };

describe.each(['fastify', 'express'] as const)('sessions, on %s', (framework) => {
  let own: ThrowAwayCluster;
  let url: string;
  let pages: PagesApp;
  /** Another replica: the same token, the same database. */
  let replica: PagesApp;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'guarded');
    const settings = { DATABASE_URL: url, ADMIN_API_TOKEN: ADMIN_TOKEN, TRUST_PROXY: '127.0.0.1' };
    [pages, replica] = await Promise.all([
      PagesApp.start(settings, framework),
      PagesApp.start(settings, framework),
    ]);
    await pages.app.get(InstallService).install();
  });
  afterAll(async () => {
    await Promise.all([pages.close(), replica.close()]);
    await own.cluster.destroy();
  });

  const visit = async (app: PagesApp, cookie: string): Promise<unknown> => {
    const { status, body } = await app.get('/page', { cookie });
    return status === 200 ? body : [status, body['code']];
  };

  it('begin with the admin token, count on every replica, and open no route of the API', async () => {
    const cookie = await pages.signIn(ADMIN_TOKEN);
    for (const app of [pages, replica]) expect(await visit(app, cookie)).toEqual(HOLDER);
    for (const route of ['/admin/jobs', '/admin/database/stats']) {
      expect(await pages.get(route, { cookie })).toMatchObject({
        status: 401,
        body: { code: 'ADMIN_TOKEN_REQUIRED' },
      });
    }
  });

  it('name who signed in, as stated', async () => {
    const cookie = await pages.signIn(ADMIN_TOKEN, {}, '  Ani Wijaya ');
    expect(await visit(replica, cookie)).toEqual({ ...HOLDER, name: 'Ani Wijaya, admin token' });
    for (const name of ['a\nb', 'a\u0000', 'a\u202Eb', 'x'.repeat(10_000)]) {
      expect(await pages.post('/sign-in', {}, { token: ADMIN_TOKEN, name })).toMatchObject({
        status: 400,
        setCookie: '',
        body: {
          code: 'USAGE_INVALID',
          detail: 'A name has at most 242 characters, and none that cannot be printed.',
        },
      });
    }
  });

  it('are cookies that scripts cannot read, and that other sites cannot send or plant', async () => {
    const plain = await pages.post('/sign-in', {}, { token: ADMIN_TOKEN });
    expect(plain.setCookie).toMatch(/^pgkeep=[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    const secure = await pages.post('/sign-in', BY_TLS, { token: ADMIN_TOKEN });
    expect(secure.setCookie).toMatch(
      /^__Host-pgkeep=[\w.-]+; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict; Secure$/,
    );
    const [cookie = ''] = plain.setCookie.split(';');
    expect(await pages.get('/page', { ...BY_TLS, cookie })).toMatchObject({ status: 401 });
    const planted = `pgkeep=${secure.setCookie.slice('__Host-pgkeep='.length).split(';')[0]}`;
    expect(await pages.get('/page', { ...BY_TLS, cookie: planted })).toMatchObject({ status: 401 });
    const [right = ''] = secure.setCookie.split(';');
    expect(await pages.get('/page', { ...BY_TLS, cookie: `${planted}; a=b; ${right}` })).toMatchObject({
      status: 200,
    });
  });

  it('end for a browser that signs in again: a value that was planted before does not count', async () => {
    const before = await pages.signIn(ADMIN_TOKEN);
    const after = await pages.signIn(ADMIN_TOKEN, { cookie: before });
    expect(after).not.toBe(before);
    expect(await visit(pages, before)).toEqual([401, 'SIGN_IN_REQUIRED']);
    expect(await visit(pages, after)).toEqual(HOLDER);
  });

  it('end by signing out, on every replica', async () => {
    const [cookie, other] = [await pages.signIn(ADMIN_TOKEN), await pages.signIn(ADMIN_TOKEN)];
    expect(await visit(replica, cookie)).toEqual(HOLDER);
    expect(await pages.post('/sign-out', { cookie })).toMatchObject({
      status: 201,
      body: { everywhere: true },
      setCookie: 'pgkeep=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict',
    });
    expect(await visit(pages, cookie)).toEqual([401, 'SIGN_IN_REQUIRED']);
    await until(async () => (await replica.get('/page', { cookie })).status === 401);
    expect(await visit(replica, other)).toEqual(HOLDER);
  });

  it('end all together by a command, which is recorded', async () => {
    const cookie = await pages.signIn(ADMIN_TOKEN);
    const { code, stdout } = await runCli(['sessions', 'end'], { DATABASE_URL: url });
    expect([code, stdout]).toEqual([
      0,
      'All sessions of database "guarded" have ended. The service notices within 2 seconds.\n',
    ]);
    for (const app of [pages, replica])
      await until(async () => (await app.get('/page', { cookie })).status === 401);
    // A session that begins now counts on both, and its end as well.
    const next = await pages.signIn(ADMIN_TOKEN);
    await until(async () => (await replica.get('/page', { cookie: next })).status === 200);
    await pages.post('/sign-out', { cookie: next });
    expect(await visit(pages, next)).toEqual([401, 'SIGN_IN_REQUIRED']);
    const { rows } = await query(
      url,
      `SELECT subject, actor FROM pgkeep.change_log WHERE action = 'end-sessions' ORDER BY seq DESC LIMIT 1`,
    );
    expect(rows).toEqual([{ subject: 'guarded', actor: expect.stringMatching(/^\S+@\S+$/) }]);
  });

  it('do not count when forged, changed, expired, or of another token or environment', async () => {
    const cookie = await pages.signIn(ADMIN_TOKEN);
    const others = await Promise.all([
      PagesApp.start({ DATABASE_URL: url, ADMIN_API_TOKEN: `${ADMIN_TOKEN}-2` }, framework),
      PagesApp.start({ DATABASE_URL: url, ADMIN_API_TOKEN: ADMIN_TOKEN, NODE_ENV: 'staging' }, framework),
    ]);
    for (const other of others) {
      expect(await visit(other, cookie)).toEqual([401, 'SIGN_IN_REQUIRED']);
      await other.close();
    }
    const [, body = '', mac = ''] = /^pgkeep=([\w-]+)\.([\w-]+)$/.exec(cookie) ?? [];
    const claims: unknown[] = JSON.parse(Buffer.from(body, 'base64url').toString());
    const longer = Buffer.from(JSON.stringify([9e9, ...claims.slice(1)])).toString('base64url');
    for (const forged of [
      '',
      'pgkeep=',
      'pgkeep=.',
      `pgkeep=${body}`,
      `pgkeep=${body}.`,
      `pgkeep=${body}.${mac}.${mac}`,
      `pgkeep=${longer}.${mac}`,
      `pgkeep=${body}.${mac.slice(0, -4)}`,
      `pgkeep=${body}.${mac}AAAA`,
      `PGKEEP=${body}.${mac}`,
      `pgkeep=${'x'.repeat(4000)}`,
    ]) {
      expect([forged, await visit(pages, forged)]).toEqual([forged, [401, 'SIGN_IN_REQUIRED']]);
    }
  });

  it('allow no request that another site’s page sent, nor one that does not say where it is from', async () => {
    const cookie = await pages.signIn(ADMIN_TOKEN);
    const host = new URL(await pages.app.getUrl()).host;
    const sent = async (headers: Record<string, string>): Promise<unknown> => {
      const { status, body } = await pages.post('/form', { cookie, ...headers });
      return status === 201 ? 'done' : body['code'];
    };
    expect(await sent({ 'sec-fetch-site': 'same-origin' })).toBe('done');
    for (const site of ['cross-site', 'same-site', 'none', 'same-origin, cross-site', '']) {
      expect([site, await sent({ 'sec-fetch-site': site })]).toEqual([site, 'CROSS_SITE_REFUSED']);
    }
    const form = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${await pages.app.getUrl()}/form`, { method: 'POST', headers: { cookie, ...headers } }))
        .status;
    expect(await form({ origin: `http://${host}` })).toBe(201);
    expect(await form({ origin: 'https://pgkeep.example', 'x-forwarded-host': 'pgkeep.example' })).toBe(201);
    for (const origin of [
      'null',
      'http://evil.example',
      `http://${host}.evil.example`,
      `http://${host}@evil.example`,
    ]) {
      expect([origin, await form({ origin })]).toEqual([origin, 403]);
    }
    expect(await form({})).toBe(403);
    expect(
      await pages.post('/sign-in', { 'sec-fetch-site': 'cross-site' }, { token: ADMIN_TOKEN }),
    ).toMatchObject({
      status: 403,
      setCookie: '',
      body: {
        code: 'CROSS_SITE_REFUSED',
        detail: 'Refused: the request does not come from a page of pgkeep. Nothing was changed.',
      },
    });
  });
});
