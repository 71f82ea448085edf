import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { parseNetworks } from '../../src/config/setting-parsers.js';
import { networkOf, TrustedProxies } from '../../src/access/trusted-proxies.js';
import { PgkeepHttpModule, PgkeepModule, readSettings } from '../../src/index.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { sendRaw } from '../support/raw-http.js';
import { WatchedService } from '../support/watched-service.js';

/** The requests here are refused before a database is needed. */
const NOWHERE = { DATABASE_URL: 'postgresql://u@127.0.0.1:1/db', ADMIN_API_TOKEN: ADMIN_TOKEN };
/** The tests' requests come from loopback, which therefore is the nearest proxy; another one is in front of it. */
const PROXIES = '127.0.0.0/8,::1,10.0.0.0/8';
const FAILURES = 10;

/** The `X-Forwarded-For` of the nth request; undefined: without the header. */
type Forwarded = (n: number) => string | undefined;

async function attempt(url: string, forwarded: string | undefined): Promise<number> {
  const headers: Record<string, string> = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
  return (await fetch(`${url}/admin/database/stats`, { headers })).status;
}

/** Fails ten times. @returns whether the next request is refused because of that. */
async function isClosedAfter(url: string, forwarded: Forwarded): Promise<boolean> {
  for (let n = 0; n < FAILURES; n += 1) await attempt(url, forwarded(n));
  return (await attempt(url, forwarded(FAILURES))) === 429;
}

describe('failures behind a trusted proxy', () => {
  let service: WatchedService;
  beforeAll(async () => {
    service = await WatchedService.start({ ...NOWHERE, TRUST_PROXY: PROXIES });
  });
  afterAll(() => service.close());

  it.each<[string, Forwarded, string]>([
    ['its client', () => '198.51.100.1', '198.51.100.1'],
    ['its client, whatever that claims', (n) => `203.0.113.${n}, 198.51.100.2`, '198.51.100.2'],
    ['its client, whatever nonsense that claims', (n) => `<${n}>, ,, 198.51.100.3`, '198.51.100.3'],
    ['the client before a second proxy', (n) => `203.0.113.${n},198.51.100.4 , 10.1.2.3`, '198.51.100.4'],
    ['the client before a proxy that writes ports', (n) => `198.51.100.5:${4000 + n}`, '198.51.100.5'],
    ['the client in IPv6 notation', () => '::ffff:198.51.100.6', '198.51.100.6'],
    ['an IPv6 client', () => '2001:db8::1', '2001:DB8:0:0::1'],
    ['an IPv6 client with a port', (n) => `[2001:db8:1::1]:${4000 + n}`, '2001:db8:1::1'],
    ['an IPv6 client that has a network of addresses', (n) => `2001:db8:2::${n}`, '2001:db8:2::ffff'],
  ])('are counted for %s', async (_who, forwarded, same) => {
    expect(await isClosedAfter(service.url, forwarded)).toBe(true);
    expect(await attempt(service.url, same)).toBe(429);
    const { status, body } = await service.get<object>('/admin/database/stats', { 'x-forwarded-for': same });
    expect([status, body]).toEqual([
      429,
      {
        type: 'about:blank',
        title: 'Too Many Requests',
        status: 429,
        detail: 'Too many failed attempts from this address.',
        code: 'TOO_MANY_FAILURES',
        hint: expect.stringMatching(/^Try again in \d+ s, with the token of ADMIN_API_TOKEN\.$/),
      },
    ]);
    // Other clients, and the proxy itself, are not refused.
    for (const other of ['192.0.2.1', '2001:db8:ffff::1', '10.1.2.3', undefined]) {
      expect(await attempt(service.url, other)).toBe(401);
    }
  });

  it('are counted for the client of the last header line, where there are several', async () => {
    const send = (n: number): string =>
      [
        'GET /admin/database/stats HTTP/1.1',
        'host: pgkeep',
        `x-forwarded-for: 203.0.113.${n}`,
        'x-forwarded-for: 198.51.100.8',
        'connection: close\r\n\r\n',
      ].join('\r\n');
    for (let n = 0; n < FAILURES; n += 1) await sendRaw(service.url, send(n));
    expect((await sendRaw(service.url, send(FAILURES))).status).toBe(429);
    expect(await attempt(service.url, '198.51.100.8')).toBe(429);
  });

  it('block the admin routes for that client alone, also with the right token', async () => {
    expect(await isClosedAfter(service.url, () => '198.51.100.9')).toBe(true);
    const ask = async (client: string): Promise<number> =>
      (
        await service.get('/admin/database/stats', {
          authorization: `Bearer ${ADMIN_TOKEN}`,
          'x-forwarded-for': client,
        })
      ).status;
    expect(await ask('198.51.100.9')).toBe(429);
    // Not refused: the error is that the database does not answer.
    expect(await ask('192.0.2.2')).toBe(503);
    expect(service.transcript.text).toContain(
      'The admin routes are closed to 198.51.100.9 for up to 60 s after 10 failed attempts.',
    );
    expect(service.transcript.text).not.toContain('TRUST_PROXY');
  });
});

describe('failures behind a proxy that is not named', () => {
  it('are counted for the proxy, and the log names the setting', async () => {
    const service = await WatchedService.start({ ...NOWHERE, TRUST_PROXY: '192.0.2.0/24' });
    expect(await isClosedAfter(service.url, (n) => `198.51.100.${n}`)).toBe(true);
    expect(service.transcript.text).toContain(
      'The admin routes are closed to 127.0.0.1 for up to 60 s after 10 failed attempts. It sent X-Forwarded-For: if it is your proxy, name it in TRUST_PROXY, so that each of its clients is counted separately.',
    );
    await service.close();
  });
});

describe.each(['express', 'fastify'] as const)('an importing application on %s', (framework) => {
  let app: INestApplication;
  afterEach(() => app.close());

  /** The application itself trusts every proxy. */
  async function listen(trustProxy?: string): Promise<string> {
    const settings = readSettings({ ...NOWHERE, ...(trustProxy && { TRUST_PROXY: trustProxy }) });
    @Module({ imports: [PgkeepModule.forRoot(settings), PgkeepHttpModule] })
    class Application {}
    const adapter = framework === 'fastify' ? new FastifyAdapter({ trustProxy: true }) : new ExpressAdapter();
    if (adapter instanceof ExpressAdapter) adapter.set('trust proxy', true);
    app = await NestFactory.create(Application, adapter, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return await app.getUrl();
  }

  it('counts by the client in front of the proxies that TRUST_PROXY names', async () => {
    const url = await listen(PROXIES);
    expect(await isClosedAfter(url, (n) => `203.0.113.${n}, 198.51.100.7`)).toBe(true);
    expect(await attempt(url, '198.51.100.8')).toBe(401);
  });

  it('trusts no client, even if the application does', async () => {
    const url = await listen();
    expect(await isClosedAfter(url, (n) => `203.0.113.${n}`)).toBe(true);
  });
});

describe('the client’s address', () => {
  it.each([
    ['::ffff:127.0.0.1', '198.51.100.7', '198.51.100.7'],
    ['::1', '64:ff9b::198.51.100.7', '198.51.100.7'],
    ['::1', 'fe80::1%eth0', 'fe80:0:0:0:0:0:0:1'],
    ['fe80::2%eth0', '198.51.100.7', 'fe80:0:0:0:0:0:0:2'],
    ['127.0.0.1', undefined, '127.0.0.1'],
    ['127.0.0.1', 'unknown', '127.0.0.1'],
    ['127.0.0.1', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
    ['192.0.2.9', '198.51.100.7', '192.0.2.9'],
    // A Unix socket.
    [undefined, '198.51.100.7', ''],
  ])('from %s, forwarded for %s, is %s', (remoteAddress, forwarded, client) => {
    const addresses = new TrustedProxies(parseNetworks(PROXIES));
    const socket = remoteAddress === undefined ? {} : { remoteAddress };
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded };
    expect(addresses.clientOf({ socket, headers })).toBe(client);
  });

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['fd00:0:0:0:0:0:0:7', 'fd00:0:0:0:0:0:0:7'],
    ['198.51.100.7', '198.51.100.7'],
    ['', ''],
  ])('%s is counted as %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
