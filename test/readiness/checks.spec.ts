import { describe, expect, it } from '@jest/globals';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import type { ServerFacts } from '../../src/postgres/server-facts.js';
import type { EnvironmentFacts, Stamp } from '../../src/environment/environment.types.js';
import { checkBackupConfig } from '../../src/readiness/checks/backup-config.js';
import type { NewestEvidences } from '../../src/restore/test/newest-evidence.js';
import { checkDatabase } from '../../src/readiness/checks/database.js';
import { checkDatabaseSafety } from '../../src/readiness/checks/database-safety.js';
import { checkEnvironment } from '../../src/readiness/checks/environment.js';
import { checkMigrations } from '../../src/readiness/checks/migrations.js';
import { blocks, runCheck } from '../../src/readiness/judge.js';
import type { MigrationStatus } from '../../src/migrations/migrations.types.js';

const NOW = new Date('2026-06-07T12:00:00Z');
const URL_VERIFIED = 'postgresql://u@h/db?sslmode=verify-full';
const SAFE: Environment = {
  NODE_ENV: 'production',
  DATABASE_URL: URL_VERIFIED,
  DATABASE_MAX_CONNECTIONS: '20',
  BACKUP_ENABLED: 'true',
  BACKUP_RETENTION_DAYS: '30',
  LAST_BACKUP_RESTORE_TEST_DATE: '2026-05-26',
};

const SERVER: ServerFacts = {
  version: '15.18',
  database: 'db',
  role: 'u',
  latencyMs: 2,
  inRecovery: false,
  readOnly: false,
  maxConnections: 100,
  reservedConnections: 3,
  tls: { protocol: 'TLSv1.3', serverSeesTls: true, behindProxy: false },
  ddlGuard: 'on',
  isSuperuser: false,
};

describe('databaseSafety', () => {
  function check(environment: Environment, server: Partial<ServerFacts> = {}): unknown {
    const settings = readSettings({ ...SAFE, ...environment });
    return checkDatabaseSafety(settings.environment, settings.database, { value: { ...SERVER, ...server } });
  }

  it('is content with TLS, limits and timeouts', () => {
    expect(check({})).toEqual({ ok: true, details: 'TLSv1.3, 20 of 100 connections' });
  });

  it.each<[string, Environment, Partial<ServerFacts>, string, string]>([
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
      'DATABASE_MAX_CONNECTIONS is 98, but the server has room for 97 (max_connections 100, 3 reserved)',
    ],
    [
      'a timeout of 0',
      { DB_IDLE_TIMEOUT: '0' },
      {},
      'TIMEOUT_DISABLED',
      'DB_IDLE_TIMEOUT must not be 0 (wait for ever) in production',
    ],
  ])('refuses %s in production, and tells it elsewhere', (_what, environment, server, code, text) => {
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

  it('tells TLS without verification, and TLS that ends at a pooler', () => {
    expect(
      check(
        { DATABASE_URL: 'postgresql://u@h/db?sslmode=require' },
        { tls: { protocol: 'TLSv1.3', serverSeesTls: false, behindProxy: true } },
      ),
    ).toEqual({
      ok: true,
      details:
        'TLSv1.3, 20 of 100 connections; the server’s certificate is not verified (sslmode=verify-full does); TLS ends at a proxy or pooler: the server sees an unencrypted connection',
    });
  });

  it.each<[Partial<ServerFacts>, string]>([
    [
      { ddlGuard: 'missing' },
      'is not installed: `pgkeep install --ddl-guard` as a superuser, which role "u" is not',
    ],
    [{ ddlGuard: 'missing', isSuperuser: true }, 'is not installed: `pgkeep install --ddl-guard`'],
    [{ ddlGuard: 'off', isSuperuser: true }, 'is switched off: `pgkeep install --ddl-guard`'],
  ])('tells in production, and only there, that nothing refuses DROP: %p', (server, text) => {
    const details = 'TLSv1.3, 20 of 100 connections';
    const told = `${details}; the DDL guard against DROP and TRUNCATE ${text}`;
    expect(check({}, server)).toEqual({ ok: true, details: told });
    expect(check({ NODE_ENV: 'staging' }, server)).toEqual({ ok: true, details });
  });
});

describe('backupConfig', () => {
  function check(environment: Environment, evidence?: NewestEvidences): unknown {
    const settings = readSettings({ ...SAFE, ...environment });
    return checkBackupConfig(settings.environment, settings.backup, evidence, NOW);
  }

  it('says how old the restore test is', () => {
    expect(check({})).toEqual({ ok: true, details: '30 days retention, restore test 12 days old' });
    const one = { BACKUP_RETENTION_DAYS: '1', LAST_BACKUP_RESTORE_TEST_DATE: '2026-06-06' };
    expect(check(one)).toEqual({ ok: true, details: '1 day retention, restore test 1 day old' });
  });

  it.each([
    [{ BACKUP_ENABLED: 'false' }, 'BACKUP_DISABLED', "BACKUP_ENABLED must be set to 'true' in production"],
    [
      { BACKUP_RETENTION_DAYS: '' },
      'BACKUP_RETENTION_UNSET',
      'BACKUP_RETENTION_DAYS must be set in production',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '2026-02-07' },
      'RESTORE_TEST_OLD',
      'Backup restore test is 120 days old - test backups every 90 days',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '2026-06-08' },
      'RESTORE_TEST_IN_FUTURE',
      'LAST_BACKUP_RESTORE_TEST_DATE is in the future (2026-06-08)',
    ],
    [
      { LAST_BACKUP_RESTORE_TEST_DATE: '' },
      'RESTORE_TEST_UNKNOWN',
      'No backup restore test is known - test backups every 90 days: `pgkeep restore test`, or set LAST_BACKUP_RESTORE_TEST_DATE',
    ],
  ])('refuses %j', (environment, code, details) => {
    expect(check(environment)).toEqual({ ok: false, code, details });
  });

  it('joins the seed’s two findings', () => {
    expect(check({ BACKUP_ENABLED: 'false', LAST_BACKUP_RESTORE_TEST_DATE: '2026-02-07' })).toMatchObject({
      details:
        "BACKUP_ENABLED must be set to 'true' in production; Backup restore test is 120 days old - test backups every 90 days",
    });
  });

  it.each<[string, string, string, object]>([
    [
      'evidence that is younger than the date',
      '2026-02-07',
      '2026-06-04',
      { ok: true, details: '30 days retention, restore test 3 days old' },
    ],
    ['evidence alone', '', '2026-06-04', { ok: true, details: '30 days retention, restore test 3 days old' }],
    [
      'a date that is younger than the evidence',
      '2026-06-01',
      '2026-02-07',
      { ok: true, details: '30 days retention, restore test 6 days old' },
    ],
    [
      'evidence beside a date that has not come',
      '2026-06-08',
      '2026-06-04',
      { ok: true, details: '30 days retention, restore test 3 days old' },
    ],
    [
      'evidence that is old',
      '',
      '2026-02-07',
      {
        ok: false,
        code: 'RESTORE_TEST_OLD',
        details: 'Backup restore test is 120 days old - test backups every 90 days',
      },
    ],
  ])('takes the later one: %s', (_what, typed, tested, expected) => {
    const passed = { backup: 'b', verdict: 'passed', finishedAt: new Date(tested) } as const;
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: typed }, { newest: passed, newestPassed: passed })).toEqual(
      expected,
    );
  });

  it('tells that the newest test failed, whatever passed before', () => {
    const passed = { backup: 'b1', verdict: 'passed', finishedAt: new Date('2026-06-01') } as const;
    const failed = { backup: 'b2', verdict: 'failed', finishedAt: new Date('2026-06-04') } as const;
    expect(check({}, { newest: failed, newestPassed: passed })).toEqual({
      ok: true,
      details: '30 days retention, restore test 6 days old; the newest restore test failed: b2',
    });
  });

  it('says what the backup of the newest test did not hold', () => {
    const without = ['the subscription feed', 'the options of the user mapping for app2 SERVER far'];
    const passed = {
      backup: 'b1',
      verdict: 'passed',
      without,
      finishedAt: new Date('2026-06-04'),
    } as const;
    expect(check({}, { newest: passed, newestPassed: passed })).toEqual({
      ok: true,
      details:
        '30 days retention, restore test 3 days old; the newest restore test passed, without the subscription feed, and without the options of the user mapping for app2 SERVER far',
    });
  });

  it('lets the 90th day pass', () => {
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: '2026-03-09' })).toMatchObject({ ok: true });
    expect(check({ LAST_BACKUP_RESTORE_TEST_DATE: '2026-03-08' })).toMatchObject({ ok: false });
  });
});

describe('migrations', () => {
  const clean: MigrationStatus = {
    applied: ['1', '2', '3', '4'],
    pending: [],
    failed: [],
    rolledBack: [],
    edited: [],
    unknown: [],
  };
  function check(status: Partial<MigrationStatus>, history: object = {}, unjudged: string[] = []): unknown {
    const whole = { rows: [], table: 'public._prisma_migrations', deployingPid: undefined, ...history };
    return checkMigrations({
      value: { status: { ...clean, ...status }, history: whole, changed: unjudged, unjudged },
    });
  }

  it.each([
    [{}, { ok: true, details: '4/4 migrations applied' }],
    [
      { pending: ['5'], failed: ['6'] },
      { ok: false, code: 'MIGRATIONS_FAILED', details: 'Migration issues: 1 pending, 1 failed' },
    ],
    [{ pending: ['5'] }, { ok: false, code: 'MIGRATIONS_PENDING', details: 'Migration issues: 1 pending' }],
    [
      { pending: ['5'], failed: ['6'], rolledBack: ['7', '8'], edited: ['1'] },
      {
        ok: false,
        code: 'MIGRATIONS_FAILED',
        details: 'Migration issues: 1 pending, 1 failed, 2 rolled back, 1 edited',
      },
    ],
    [
      { rolledBack: ['5'] },
      { ok: false, code: 'MIGRATIONS_ROLLED_BACK', details: 'Migration issues: 1 rolled back' },
    ],
    [
      { unknown: ['5', '6'], edited: ['1'] },
      {
        ok: true,
        details:
          '4/4 migrations applied; 2 applied that this build does not know; 1 edited after being applied',
      },
    ],
  ])('of %j', (status, outcome) => {
    expect(check(status)).toEqual(outcome);
  });

  it('a file that is not compared yet is neither edited nor left out', () => {
    expect(check({}, {}, ['1'])).toEqual({
      ok: true,
      details: '4/4 migrations applied; 1 changed after being applied, not compared yet',
    });
  });

  it('tells a deploy that runs, and a database that was never migrated', () => {
    expect(check({ pending: ['5'] }, { deployingPid: 77, rows: undefined })).toMatchObject({
      details:
        'Migration issues: 1 pending; public._prisma_migrations does not exist: the database was never migrated; a deploy is running (pid 77)',
    });
  });
});

describe('environment', () => {
  const identity = { systemIdentifier: '7', databaseOid: '5' };
  const stamp: Stamp = { ...identity, environment: 'production', stampedAt: NOW, stampedBy: 'owner' };
  function check(facts: Partial<EnvironmentFacts>): unknown {
    const whole = {
      identity,
      stamp: { kind: 'stamped', stamp },
      otherIdentity: undefined,
      ...facts,
    } as const;
    return checkEnvironment('production', { value: whole });
  }

  it('is content with its own stamp', () => {
    expect(check({})).toEqual({ ok: true, details: 'production' });
  });

  it('refuses another environment’s database, and says both ways out', () => {
    expect(check({ stamp: { kind: 'stamped', stamp: { ...stamp, environment: 'staging' } } })).toEqual({
      ok: false,
      code: 'ENVIRONMENT_MISMATCH',
      details:
        'The database is stamped staging, but this service runs as production: point DATABASE_URL at the production database, or set NODE_ENV=staging',
    });
  });

  it('refuses one database for two environments', () => {
    expect(check({ otherIdentity: { ...identity } })).toMatchObject({
      ok: false,
      code: 'ENVIRONMENT_SHARED',
    });
    expect(check({ otherIdentity: { ...identity, databaseOid: '6' } })).toMatchObject({ ok: true });
  });

  it('tells a copy and a missing stamp', () => {
    expect(check({ identity: { ...identity, databaseOid: '6' } })).toEqual({
      ok: true,
      details:
        'production; the stamp was made in another database, of which this is a copy: run `pgkeep stamp production` once you know what this copy is for',
    });
    expect(check({ stamp: { kind: 'unstamped' } })).toEqual({
      ok: true,
      details: 'production; not stamped: run `pgkeep stamp production`',
    });
  });

  it('fails closed when the stamp cannot be read', () => {
    expect(check({ stamp: { kind: 'unreadable', role: 'app' } })).toEqual({
      ok: false,
      code: 'ENVIRONMENT_UNREADABLE',
      details:
        'Role "app" may not read pgkeep.database_environment, so the database\'s environment is unknown: GRANT USAGE ON SCHEMA pgkeep TO "app"; GRANT SELECT ON pgkeep.database_environment TO "app"',
    });
  });
});

describe('database', () => {
  it.each([
    [{ inRecovery: true, readOnly: true }, 'DATABASE_IN_RECOVERY'],
    [{ readOnly: true }, 'DATABASE_READ_ONLY'],
  ])('refuses %j', (server, code) => {
    expect(checkDatabase({ value: { ...SERVER, ...server } })).toMatchObject({ ok: false, code });
  });
});

describe('judging', () => {
  it('turns a check that throws into a no', () => {
    const broken = (): never => {
      throw new Error('boom');
    };
    expect(runCheck(broken)).toEqual({
      ok: false,
      code: 'CHECK_FAILED',
      details: 'The check itself failed: boom',
    });
  });

  it.each([
    ['enforce', true, true],
    ['enforce', false, true],
    ['latch', false, true],
    ['latch', true, false],
    ['warn', false, false],
  ] as const)('lets gate %s (ready before: %s) block: %s', (gate, wasReady, blocked) => {
    expect(blocks({ ok: false, details: '', gate }, wasReady)).toBe(blocked);
    expect(blocks({ ok: true, details: '' }, wasReady)).toBe(false);
  });
});
