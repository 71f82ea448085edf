import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { everyCheck } from '../support/checks.js';
import { ADMIN_TOKEN, PRODUCTION } from '../support/production.js';
import { WatchedService } from '../support/watched-service.js';

/** Nothing listens on port 1: the database is down, which is all these tests need. */
const DOWN = 'postgresql://user:hunter2@127.0.0.1:1/app';

const UNREACHABLE = {
  ok: false,
  code: 'DATABASE_UNREACHABLE',
  hint: 'docs/checks.md#database_unreachable',
};

const CODES_ONLY = {
  status: 'not_ready',
  checks: everyCheck({
    database: { ...UNREACHABLE, gate: 'enforce' },
    environment: { ...UNREACHABLE, gate: 'warn' },
    migrations: { ...UNREACHABLE, gate: 'enforce' },
    databaseSafety: { ...UNREACHABLE, gate: 'enforce' },
    backupConfig: { ok: true },
    backups: {
      ok: false,
      code: 'BACKUP_STORAGE_UNREACHABLE',
      gate: 'warn',
      hint: 'docs/checks.md#backup_storage_unreachable',
    },
  }),
  evaluatedAt: expect.any(String) as unknown,
};

describe.each([
  ['codes', CODES_ONLY],
  ['never', { status: 'not_ready' }],
])('READINESS_DETAILS=%s', (level, expected) => {
  let service: WatchedService;
  beforeAll(async () => {
    service = await WatchedService.start({
      ...PRODUCTION,
      DATABASE_URL: DOWN,
      READINESS_DETAILS: level,
      READINESS_GATES: 'environment=warn,backups=warn',
      // No directory can be created there: the storage fails too.
      BACKUP_DIR: '/proc/none',
    });
  });
  afterAll(() => service.close());

  it('hides the texts from anonymous callers', async () => {
    const { status, body } = await request(service.url).get('/ready');
    expect([status, body]).toEqual([503, expected]);
    const health = await request(service.url).get('/health');
    expect(JSON.stringify(health.body)).not.toContain('127.0.0.1');
  });

  it('shows everything to the admin', async () => {
    const { body } = await request(service.url).get('/ready').set('authorization', `Bearer ${ADMIN_TOKEN}`);
    expect(body.checks.database).toEqual({
      ...UNREACHABLE,
      gate: 'enforce',
      details:
        'No usable database connection: connect ECONNREFUSED 127.0.0.1:1. Check the host and port of the database URL, and that the server runs and accepts connections from this machine.',
    });
  });
});
