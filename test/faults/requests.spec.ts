import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Problem } from '../../src/http/problem.js';
import type { DatabaseStats } from '../../src/stats/stats.types.js';
import { createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { sendRaw, type RawAnswer } from '../support/raw-http.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { WatchedService, withService } from '../support/watched-service.js';

const TOKEN = 'the-right-token-of-40-characters-exactly';
const STATS = '/admin/database/stats';

let own: ThrowAwayCluster;
let guarded: GuardedDatabase;
beforeAll(async () => {
  own = await startThrowAwayCluster();
  guarded = await createGuarded(own, 'guarded');
});
afterAll(async () => {
  await own.cluster.destroy();
});

const settings = (token: string) => ({
  DATABASE_URL: guarded.url,
  MIGRATIONS_DIR: guarded.migrationsDirectory,
  ADMIN_API_TOKEN: token,
});

describe('the admin token', () => {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

  it('blocks the route after ten failures, for the right token as well, and says for how long', async () => {
    await withService(settings(TOKEN), async (service) => {
      const wrong: Record<string, string>[] = [
        {},
        bearer('wrong'),
        bearer(TOKEN.slice(0, -1)),
        bearer(`${TOKEN}x`),
        bearer(TOKEN.toUpperCase()),
        bearer(`${TOKEN} ${TOKEN}`),
        { authorization: TOKEN },
        { authorization: `Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}` },
        { 'x-api-key': TOKEN },
      ];
      for (const headers of wrong) expect((await service.get(STATS, headers)).status).toBe(401);
      // A success neither counts nor resets the count.
      expect((await service.get(STATS, bearer(TOKEN))).status).toBe(200);
      const inUrl = await sendRaw(
        service.url,
        `GET ${STATS}?token=${TOKEN}&access_token=${TOKEN} HTTP/1.0\r\n\r\n`,
      );
      expect(inUrl.status).toBe(401);
      for (const headers of [bearer('wrong'), bearer(TOKEN)]) {
        const closed = await service.get<Problem>(STATS, headers);
        const seconds = Number(closed.headers.get('retry-after'));
        expect(seconds).toBeGreaterThan(0);
        expect(seconds).toBeLessThanOrEqual(60);
        expect(closed.body).toEqual({
          type: 'about:blank',
          title: 'Too Many Requests',
          status: 429,
          detail: 'Too many failed attempts from this address.',
          code: 'TOO_MANY_FAILURES',
          hint: `Try again in ${seconds} s, with the token of ADMIN_API_TOKEN.`,
        });
      }
      // Any client can send a forwarded address.
      expect((await service.get(STATS, { 'x-forwarded-for': '10.1.2.3' })).status).toBe(429);
      await service.untilVerdict('ready');
      expect((await service.get('/ready', bearer('wrong'))).status).toBe(200);
    });
  });

  it('counts as not set if it is empty: the routes are closed and say why', async () => {
    await withService(settings('  '), async (service) => {
      for (const headers of [{}, bearer(''), bearer('undefined')]) {
        expect((await service.get(STATS, headers)).body).toEqual({
          type: 'about:blank',
          title: 'Forbidden',
          status: 403,
          detail: 'The admin routes are closed: no admin token is configured.',
          code: 'ADMIN_TOKEN_NOT_CONFIGURED',
          hint: 'Set ADMIN_API_TOKEN (or ADMIN_API_TOKEN_FILE) and restart.',
        });
      }
    });
  });
});

describe('malformed and hostile requests', () => {
  let service: WatchedService;
  beforeEach(async () => {
    service = await WatchedService.start(settings(TOKEN));
  });
  afterEach(async () => {
    await service.close();
  });

  /** The parts of an answer that every problem has in common: to compare with `problem(status)`. */
  const shown = ({ status, headers, body }: RawAnswer) => ({
    status,
    type: headers['content-type'],
    cache: headers['cache-control'],
    body: JSON.parse(body),
  });
  const problem = (status: number) => ({
    status,
    type: 'application/problem+json; charset=utf-8',
    cache: 'no-store',
    body: expect.objectContaining({ type: 'about:blank', status }),
  });

  const isHealthy = async (): Promise<void> => {
    // On a busy machine an evaluation may miss the short deadline of these tests.
    await service.untilVerdict('ready');
    const [live, ready] = await Promise.all([service.get('/live'), service.get('/ready')]);
    expect([live.status, ready.status]).toEqual([200, 200]);
    expect(Math.max(live.tookMs, ready.tookMs)).toBeLessThan(1000);
  };

  it.each([
    ['a huge header', 431, `GET /ready HTTP/1.1\r\nhost: x\r\nx-flood: ${'a'.repeat(100_000)}\r\n\r\n`],
    [
      'thousands of headers',
      431,
      `GET /ready HTTP/1.1\r\nhost: x\r\n${Array.from({ length: 5000 }, (_, n) => `x-${n}: y\r\n`).join('')}\r\n`,
    ],
    ['a huge path', 431, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    ['no HTTP at all', 400, '\u0016\u0003\u0001 hello\r\n\r\n'],
    ['a method that is none', 400, 'FETCH /ready HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['two lengths', 400, 'GET /ready HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n'],
    [
      'a body that is too large',
      413,
      `POST /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n`,
    ],
    ['a method that the route does not take', 404, 'DELETE /ready HTTP/1.0\r\n\r\n'],
  ])('are answered with a problem: %s', async (_what, expected, bytes) => {
    expect(shown(await sendRaw(service.url, bytes))).toEqual(problem(expected));
    await isHealthy();
  });

  it('are answered with a problem: a path with an invalid escape', async () => {
    const answer = await sendRaw(service.url, 'GET /%E0%A4%A HTTP/1.0\r\n\r\n');
    expect(shown(answer)).toEqual(problem(400));
  });

  it('do not block others: three hundred that never finish their headers', async () => {
    const { hostname, port } = new URL(service.url);
    const slow: Socket[] = [];
    try {
      for (let count = 0; count < 300; count += 1) {
        const socket = connect(Number(port), hostname);
        socket.on('error', () => undefined);
        socket.write('GET /ready HTTP/1.1\r\nhost: x\r\nx-slow: ');
        slow.push(socket);
      }
      await service.untilVerdict('ready');
      await isHealthy();
      const stats = await service.get<DatabaseStats>(STATS, { authorization: `Bearer ${TOKEN}` });
      expect(stats.body.tableCount).toBe(2);
    } finally {
      for (const socket of slow) socket.destroy();
    }
  });
});
