import { describe, expect, it } from '@jest/globals';
import { actorOf, includesRole, isName, ROLES } from '../../src/access/access.types.js';
import { requireSameSite, siteOf } from '../../src/access/cross-site.js';
import { FailedLogins } from '../../src/access/failed-logins.js';
import { parseNetworks } from '../../src/config/setting-parsers.js';
import { TrustedProxies } from '../../src/access/trusted-proxies.js';
import { Clock } from '../../src/core/clock.js';

describe('roles', () => {
  it('include the lesser ones', () => {
    const included = ROLES.map((role) => ROLES.filter((demanded) => includesRole(role, demanded)));
    expect(included).toEqual([['viewer'], ['viewer', 'operator'], ['viewer', 'operator', 'admin']]);
  });
});

describe('a name', () => {
  it.each([
    ['Ani Wijaya', true],
    ['ani@clinic.example', true],
    ['عبد الله', true],
    ['علی‌رضا', true],
    ['"; DROP TABLE children; --', true],
    ['x'.repeat(255), true],
    ['x'.repeat(256), false],
    ['', false],
    ['  ', false],
    ['a\nb', false],
    ['a\u0000b', false],
    ['\u001B[31mred', false],
    ['a\u2028b', false],
    ['a\u202Eb', false],
    ['\uD800', false],
    [7, false],
    [undefined, false],
  ])('%j can be one: %s', (text, expected) => {
    expect(isName(text)).toBe(expected);
  });

  it('is an actor with a suffix: an address must not look like a user of the command line', () => {
    expect(actorOf({ name: 'root@db1', role: 'viewer', by: 'jwt' })).toBe('root@db1 (http)');
  });
});

describe('a request through proxies', () => {
  const proxies = new TrustedProxies(parseNetworks('10.0.0.0/8'));
  const request = (
    remoteAddress: string,
    headers: Record<string, string | string[]>,
    encrypted?: boolean,
  ) => ({
    socket: { remoteAddress, ...(encrypted !== undefined && { encrypted }) },
    headers,
  });

  it.each([
    ['10.0.0.1', { 'x-forwarded-proto': 'https' }, true],
    ['10.0.0.1', { 'x-forwarded-proto': 'HTTPS, http' }, true],
    ['10.0.0.1', { 'x-forwarded-proto': 'http' }, false],
    ['10.0.0.1', {}, false],
    ['192.0.2.1', { 'x-forwarded-proto': 'https' }, false],
  ])('from %s with %j is secure: %s', (address, headers, expected) => {
    expect(proxies.isSecure(request(address, headers))).toBe(expected);
  });

  it('is secure where pgkeep’s own socket has TLS', () => {
    expect(proxies.isSecure(request('192.0.2.1', { 'x-forwarded-proto': 'http' }, true))).toBe(true);
  });

  it.each([
    ['10.0.0.1', { host: 'pgkeep:3000', 'x-forwarded-host': 'Clinic.example, inner' }, 'clinic.example'],
    ['10.0.0.1', { host: 'pgkeep:3000' }, 'pgkeep:3000'],
    ['192.0.2.1', { host: 'pgkeep:3000', 'x-forwarded-host': 'clinic.example' }, 'pgkeep:3000'],
    ['192.0.2.1', {}, undefined],
  ])('from %s with %j has the host %s', (address, headers, expected) => {
    expect(proxies.hostOf(request(address, headers))).toBe(expected);
  });
});

describe('a request from another site', () => {
  const from = (headers: Record<string, string>) => siteOf({ socket: {}, headers }, 'pgkeep.example');

  it('is recognized by the headers that browsers set', () => {
    expect([
      from({ 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' }),
      from({ origin: 'https://pgkeep.example' }),
      from({}),
      from({ 'sec-fetch-site': 'none' }),
    ]).toEqual(['same', 'same', 'unknown', 'unknown']);
    const others: readonly Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site', origin: 'https://pgkeep.example' },
      { 'sec-fetch-site': 'same-site' },
      { origin: 'null' },
      { origin: 'https://pgkeep.example:8443' },
      { origin: '' },
    ];
    for (const headers of others) {
      expect([headers, from(headers)]).toEqual([headers, 'other']);
    }
    expect(siteOf({ socket: {}, headers: { origin: 'null' } }, undefined)).toBe('other');
  });

  it('is refused where it changes something; a program that is no browser may use the API', () => {
    const refused = (method: string, site: ReturnType<typeof siteOf>, browserOnly: boolean): boolean => {
      try {
        requireSameSite({ socket: {}, headers: {}, method }, { site, browserOnly });
        return false;
      } catch {
        return true;
      }
    };
    expect(['GET', 'HEAD', 'OPTIONS'].filter((method) => refused(method, 'other', true))).toEqual([]);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'get']) {
      expect([
        refused(method, 'same', true),
        refused(method, 'unknown', true),
        refused(method, 'other', false),
        refused(method, 'unknown', false),
      ]).toEqual([false, true, true, false]);
    }
  });
});

describe('failed log-ins', () => {
  class SetClock extends Clock {
    minutes = 0;
    now = (): Date => new Date(0);
    override monotonicMs = (): number => this.minutes * 60_000;
  }

  it('are counted by minute, for an hour, and altogether', () => {
    const clock = new SetClock();
    const failed = new FailedLogins(clock);
    expect([failed.total, failed.within(60)]).toEqual([0, 0]);
    for (const minute of [0, 0, 5, 9, 9, 9]) {
      clock.minutes = minute;
      failed.record();
    }
    expect([1, 5, 10, 60].map((minutes) => failed.within(minutes))).toEqual([3, 4, 6, 6]);
    clock.minutes = 64;
    failed.record();
    expect([failed.within(1), failed.within(60), failed.total]).toEqual([1, 5, 7]);
    clock.minutes = 10_000;
    expect([failed.within(60), failed.total]).toEqual([0, 7]);
  });
});
