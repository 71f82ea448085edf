import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../../src/config/read-settings.js';
import type { ServerState } from '../../../src/readiness/readiness.types.js';
import { databaseSafety } from '../../../src/readiness/checks/database-safety.js';
import { contextOf, SERVER } from '../../support/checks.js';

describe('databaseSafety', () => {
  function check(environment: Environment, server: Partial<ServerState> = {}): unknown {
    return databaseSafety.judge(contextOf({ server: { value: { ...SERVER, ...server } } }, environment));
  }

  it('accepts TLS, limits and timeouts', () => {
    expect(check({})).toEqual({ ok: true, details: 'TLSv1.3, 20 of 100 connections' });
  });

  it.each<[string, Environment, Partial<ServerState>, string, string]>([
    [
      'no TLS',
      {},
      { tls: { protocol: undefined, serverSeesTls: false, behindProxy: false } },
      'SSL_REQUIRED',
      'Database connection must use SSL in production',
    ],
    [
      'TLS that the server does not see, with nothing in between',
      {},
      { tls: { protocol: 'TLSv1.3', serverSeesTls: false, behindProxy: false } },
      'SSL_REQUIRED',
      'Database connection must use SSL in production',
    ],
    [
      'db push allowed',
      { PRISMA_DB_PUSH_ALLOWED: 'true' },
      {},
      'DB_PUSH_ALLOWED',
      "PRISMA_DB_PUSH_ALLOWED must not be 'true' in production",
    ],
    [
      'no limit',
      { DATABASE_MAX_CONNECTIONS: '' },
      {},
      'MAX_CONNECTIONS_UNSET',
      'DATABASE_MAX_CONNECTIONS must be set in production',
    ],
    [
      'a limit out of range',
      { DATABASE_MAX_CONNECTIONS: '101' },
      { maxConnections: 500 },
      'MAX_CONNECTIONS_OUT_OF_RANGE',
      'DATABASE_MAX_CONNECTIONS must be from 1 to 100, not 101',
    ],
    [
      'a limit beyond the server',
      { DATABASE_MAX_CONNECTIONS: '98' },
      {},
      'MAX_CONNECTIONS_EXCEED_SERVER',
      'DATABASE_MAX_CONNECTIONS is 98, but the server allows 97 (max_connections 100, 3 reserved)',
    ],
    [
      'a timeout of 0',
      { DB_IDLE_TIMEOUT: '0' },
      {},
      'TIMEOUT_DISABLED',
      'DB_IDLE_TIMEOUT must not be 0 (no timeout) in production',
    ],
  ])('refuses %s in production, and reports it elsewhere', (_what, environment, server, code, text) => {
    expect(check(environment, server)).toMatchObject({ ok: false, code, details: text });
    expect(check({ ...environment, NODE_ENV: 'staging' }, server)).toMatchObject({
      ok: true,
      details: expect.stringContaining(`production would refuse: ${text}`),
    });
  });

  it('joins several findings', () => {
    const tls = { protocol: undefined, serverSeesTls: false, behindProxy: false };
    expect(check({ PRISMA_DB_PUSH_ALLOWED: 'true' }, { tls })).toEqual({
      ok: false,
      code: 'DB_PUSH_ALLOWED',
      details:
        "PRISMA_DB_PUSH_ALLOWED must not be 'true' in production; Database connection must use SSL in production",
    });
  });

  it('reports TLS without verification, and TLS that ends at a pooler', () => {
    expect(
      check(
        { DATABASE_URL: 'postgresql://u@h/db?sslmode=require' },
        { tls: { protocol: 'TLSv1.3', serverSeesTls: false, behindProxy: true } },
      ),
    ).toEqual({
      ok: true,
      details:
        'TLSv1.3, 20 of 100 connections; the server’s certificate is not verified: set sslmode=verify-full; TLS ends at a proxy or pooler: the server sees an unencrypted connection',
    });
  });

  it.each<[Partial<ServerState>, string]>([
    [
      { ddlGuard: 'missing' },
      'is not installed: run `pgkeep install --ddl-guard` as a superuser (role "u" is not one)',
    ],
    [{ ddlGuard: 'missing', isSuperuser: true }, 'is not installed: run `pgkeep install --ddl-guard`'],
    [{ ddlGuard: 'off', isSuperuser: true }, 'is switched off: run `pgkeep install --ddl-guard`'],
  ])('reports in production that nothing refuses DROP: %p', (server, text) => {
    const details = 'TLSv1.3, 20 of 100 connections';
    const withNote = `${details}; the DDL guard against DROP and TRUNCATE ${text}`;
    expect(check({}, server)).toEqual({ ok: true, details: withNote });
    expect(check({}, { ...server, ddlGuard: undefined })).toEqual({ ok: true, details });
  });
});
