import { describe, expect, it } from '@jest/globals';
import { describeDatabaseUrl, parseDatabaseUrl } from '../../src/config/database-url.js';

describe('parseDatabaseUrl', () => {
  it('parses every part of a URL, and decodes percent signs', () => {
    expect(
      parseDatabaseUrl(
        'postgresql://us%20er:p%40ss%2Fw@db.example:6543/my%20db?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=7&schema=app&connection_limit=10&pool_timeout=20&pgbouncer=true',
      ),
    ).toEqual({
      hosts: [{ host: 'db.example', port: 6543 }],
      database: 'my db',
      user: 'us er',
      password: 'p@ss/w',
      schema: 'app',
      sslMode: 'verify-full',
      sslRootCert: '/ca.pem',
      sslCert: undefined,
      sslKey: undefined,
      sslPassword: undefined,
      connectTimeoutMs: 7000,
      sessionAttributes: 'any',
      options: undefined,
      applicationName: undefined,
      connectionLimit: 10,
      poolTimeoutMs: 20_000,
    });
  });

  it.each([
    [
      'postgres://a,b:5433/db',
      [
        { host: 'a', port: 5432 },
        { host: 'b', port: 5433 },
      ],
    ],
    [
      'postgresql:///db?host=a,b&port=1,2',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    ],
    ['postgresql:///db?host=/run/postgresql', [{ host: '/run/postgresql', port: 5432 }]],
    ['postgresql://%2Frun%2Fpostgresql/db', [{ host: '/run/postgresql', port: 5432 }]],
    ['postgresql://u@[::1]:5555/db', [{ host: '::1', port: 5555 }]],
    ['postgresql:///db', [{ host: 'localhost', port: 5432 }]],
  ])('finds the hosts of %s', (text, hosts) => {
    expect(parseDatabaseUrl(text).hosts).toEqual(hosts);
  });

  it.each([
    ['postgresql://u@h/db', 'prefer'],
    ['postgresql://u@h/db?sslmode=require', 'require'],
    ['postgresql://u@h/db?sslmode=require&sslaccept=strict', 'verify-full'],
  ])('reads the sslmode of %s', (text, mode) => {
    expect(parseDatabaseUrl(text).sslMode).toBe(mode);
  });

  it.each([
    ['mysql://h/db', 'it must begin with postgresql:// or postgres://'],
    [
      'postgresql://u:hunter2@h/db?sslmode=no-verify',
      'its sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full',
    ],
    ['postgresql://u:hunter2@h:port/db', 'its port is not a number from 1 to 65535'],
    [
      'postgresql://u:100%@h/db',
      'it has a % that is not followed by two hexadecimal digits (write % as %25)',
    ],
    ['postgresql:///db?host=a,b&port=1,2,3', 'it names 2 hosts and 3 ports'],
    ['postgresql://h/db?connect_timeout=soon', 'its connect_timeout is not a whole number of seconds'],
  ])('refuses %s without quoting it', (text, message) => {
    expect(() => parseDatabaseUrl(text)).toThrow(new Error(message));
  });

  it('describes a URL without its secrets', () => {
    const url = parseDatabaseUrl('postgresql://user:hunter2@a,b:2/app?sslpassword=hunter3');
    expect(describeDatabaseUrl(url)).toBe('a:5432,b:2/app');
  });
});
