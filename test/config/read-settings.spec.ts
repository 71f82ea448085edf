import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readGracePeriodDays } from '../../src/config/client-settings.js';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepError } from '../../src/core/errors.js';
import { CHECK_NAMES } from '../../src/readiness/checks.js';

const URL_WITH_SECRET = 'postgresql://user:hunter2@db.example:5432/app?sslmode=verify-full';

function errorOf(environment: Environment): PgkeepError {
  try {
    readSettings(environment, '/srv/app', { checks: CHECK_NAMES });
  } catch (error) {
    if (error instanceof PgkeepError) return error;
  }
  throw new Error('expected a PgkeepError');
}

describe('readSettings', () => {
  it('fills in the documented defaults', () => {
    const settings = readSettings({ DATABASE_URL: URL_WITH_SECRET }, '/srv/app');
    expect(settings).toMatchObject({
      environment: 'development',
      migrationsDirectory: '/srv/app/prisma/migrations',
      database: {
        maxConnections: undefined,
        poolSize: 5,
        acquireTimeoutMs: 20_000,
        connectTimeoutMs: 10_000,
        queryTimeoutMs: 60_000,
        idleTimeoutMs: 600_000,
        disabledTimeouts: [],
        dbPushAllowed: false,
      },
      readiness: {
        refreshMs: 5000,
        timeoutMs: 800,
        details: 'always',
        gates: {},
      },
      http: { port: 3000, host: '0.0.0.0', adminToken: undefined },
      backup: { enabled: false, retentionDays: undefined, restoreTestMaxAgeDays: 90 },
      offsite: { uploadEnabled: false, s3: undefined, gcs: undefined },
    });
    expect(readSettings({ DATABASE_URL: URL_WITH_SECRET, NODE_ENV: 'staging' }).database.poolSize).toBe(10);
  });

  it('freezes the object deeply and shares nothing between two calls', () => {
    const first = readSettings({ DATABASE_URL: URL_WITH_SECRET, READINESS_GATES: 'environment=warn' });
    const second = readSettings({ DATABASE_URL: 'postgresql://other/db', PORT: '4000' });
    expect(
      Object.isFrozen(first) &&
        Object.isFrozen(first.readiness.gates) &&
        Object.isFrozen(first.database.url.hosts),
    ).toBe(true);
    expect(first.readiness.gates).toEqual({ environment: 'warn' });
    expect(second.readiness.gates).toEqual({});
    // Without the list of checks, any name may be that of an application's own check.
    const added = readSettings({ DATABASE_URL: URL_WITH_SECRET, READINESS_GATES: 'redis=latch' });
    expect(added.readiness.gates).toEqual({ redis: 'latch' });
    expect([first.http.port, second.http.port]).toEqual([3000, 4000]);
  });

  it('reads owner columns, and works without a database if that is allowed', () => {
    const settings = readSettings({ MIGRATIONS_OWNER_COLUMNS: 'owner_id, tenantId' }, '/srv/app', {
      databaseIsOptional: true,
    });
    expect(settings.ownerColumns).toEqual(['owner_id', 'tenantId']);
    expect(settings.database.isNamed).toBe(false);
    expect(readSettings({ DATABASE_URL: URL_WITH_SECRET }).database.isNamed).toBe(true);
    expect(errorOf({ DATABASE_URL: URL_WITH_SECRET, MIGRATIONS_OWNER_COLUMNS: 'owner id,' }).message).toBe(
      'One setting is invalid:\n  MIGRATIONS_OWNER_COLUMNS must be names of columns such as owner_id,tenant_id; it is "owner id,"',
    );
  });

  it('lists every fault in one message and shows no secret', () => {
    const error = errorOf({
      NODE_ENV: 'prod',
      DATABASE_URL: 'mysql://user:hunter2@db/app',
      DB_POOL_MAX: 'many',
      BACKUP_ENABLED: 'yes',
      READINESS_TIMEOUT_MS: '7',
      READINESS_GATES: 'backup=latch',
      LAST_BACKUP_RESTORE_TEST_DATE: '2026-02-30',
      DATABASE_READ_REPLICA_URL_FILE: '/nowhere/at/all',
    });
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toBe(
      [
        '8 settings are invalid:',
        '  DATABASE_READ_REPLICA_URL_FILE names a file that does not exist (/nowhere/at/all)',
        '  NODE_ENV must be development, test, staging or production; it is "prod"',
        '  DATABASE_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it must begin with postgresql:// or postgres://',
        '  DB_POOL_MAX must be a whole number (connections); it is "many"',
        '  READINESS_TIMEOUT_MS must be a whole number from 50 to 60000 (milliseconds); it is "7"',
        `  READINESS_GATES must be a list such as backupConfig=latch,environment=warn: "backup" is not a check (${CHECK_NAMES.join(', ')}); it is "backup=latch"`,
        '  BACKUP_ENABLED must be true or false; it is "yes"',
        '  LAST_BACKUP_RESTORE_TEST_DATE must be an ISO 8601 date such as 2026-02-07; it is "2026-02-30"',
      ].join('\n'),
    );
  });

  it('accepts dangerous values, which /ready reports', () => {
    const { database } = readSettings({
      NODE_ENV: 'production',
      DATABASE_URL: URL_WITH_SECRET,
      DATABASE_MAX_CONNECTIONS: '500',
      DB_CONNECT_TIMEOUT: '0',
      DB_QUERY_TIMEOUT: '0',
      PRISMA_DB_PUSH_ALLOWED: 'true',
    });
    expect(database).toMatchObject({
      maxConnections: 500,
      poolSize: 10,
      connectTimeoutMs: 10_000,
      disabledTimeouts: ['DB_CONNECT_TIMEOUT', 'DB_QUERY_TIMEOUT'],
      dbPushAllowed: true,
    });
  });

  it('uses the production URL in production and keeps the other for comparison', () => {
    const both = { DATABASE_URL: 'postgresql://dev/app', DATABASE_URL_PROD: 'postgresql://prod/app' };
    const production = readSettings({ ...both, NODE_ENV: 'production' }).database;
    const development = readSettings({ ...both, NODE_ENV: 'development' }).database;
    expect([production.url.hosts[0]?.host, production.otherEnvironmentUrl?.hosts[0]?.host]).toEqual([
      'prod',
      'dev',
    ]);
    expect([development.url.hosts[0]?.host, development.otherEnvironmentUrl?.hosts[0]?.host]).toEqual([
      'dev',
      'prod',
    ]);
  });

  it.each<[Environment, string]>([
    [
      { DATABASE_MAX_CONNECTIONS: '20', DB_POOL_MAX: '30' },
      '  DB_POOL_MAX is 30, but it is an alias of DATABASE_MAX_CONNECTIONS, which is 20: keep one',
    ],
    [
      { READINESS_REFRESH_MS: '500', READINESS_TIMEOUT_MS: '500' },
      '  READINESS_TIMEOUT_MS must be below READINESS_REFRESH_MS (500), or evaluations overlap; it is 500',
    ],
    [
      { READINESS_TIMEOUT_MS: '6000' },
      '  READINESS_TIMEOUT_MS must be below READINESS_REFRESH_MS (5000), or evaluations overlap; it is 6000',
    ],
    [
      { READINESS_FAILURE_THRESHOLD: '-1' },
      '  READINESS_FAILURE_THRESHOLD must be a whole number from 0 to 100 (evaluations); it is "-1"',
    ],
    ...[
      ['true', '"true" is neither an address nor a network'],
      ['loopback', '"loopback" is neither an address nor a network'],
      ['10.0.0.0/8, 10.0.0.256', '"10.0.0.256" is neither an address nor a network'],
      ['10.0.0.0/8/8', '"10.0.0.0/8/8" is neither an address nor a network'],
      ['fe80::1%eth0', '"fe80::1%eth0" is neither an address nor a network'],
      ['10.0.0.0/33', '"10.0.0.0/33" must have a prefix from 1 to 32'],
      ['fd00::/129', '"fd00::/129" must have a prefix from 1 to 128'],
      ['10.0.0.0/', '"10.0.0.0/" must have a prefix from 1 to 32'],
      ['0.0.0.0/0', '"0.0.0.0/0" would trust every address'],
      ['::/0', '"::/0" would trust every address'],
    ].map(([value = '', fault = '']): [Environment, string] => [
      { TRUST_PROXY: value },
      `  TRUST_PROXY must be addresses or networks such as 10.0.0.0/8,fd00::/8: ${fault}; it is "${value}"`,
    ]),
    [{ HOST: '256.1.1.1' }, '  HOST must be an IP address or a host name; it is "256.1.1.1"'],
    [{ PORT: '3000', PORT_FILE: '/run/port' }, '  PORT is set twice, directly and by PORT_FILE: keep one'],
    [
      { NODE_ENV: 'production', ADMIN_API_TOKEN: 'short' },
      '  ADMIN_API_TOKEN must be at least 32 characters long in production',
    ],
    [
      { AWS_S3_BACKUP_BUCKET: 'one', BACKUP_S3_BUCKET: 'two' },
      '  BACKUP_S3_BUCKET is two, but it is an alias of AWS_S3_BACKUP_BUCKET, which is one: keep one',
    ],
    [
      { BACKUP_UPLOAD_ENABLED: 'true' },
      '  BACKUP_UPLOAD_ENABLED is true, but there is no bucket: set AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET',
    ],
    [
      { BACKUP_S3_ENDPOINT: 'https://s3.example', GCS_BACKUP_BUCKET: 'copies' },
      '  BACKUP_S3_ENDPOINT is set, but there is no bucket: set AWS_S3_BACKUP_BUCKET too',
    ],
    [
      { AWS_S3_BACKUP_BUCKET: 's3://bucket' },
      '  AWS_S3_BACKUP_BUCKET must be the name of a bucket, such as clinic-backups; it is "s3://bucket"',
    ],
    [
      { GCS_BACKUP_BUCKET: 'a b' },
      '  GCS_BACKUP_BUCKET must be the name of a bucket, such as clinic-backups; it is "a b"',
    ],
    [
      { BACKUP_S3_REGION: 'Frankfurt!' },
      '  BACKUP_S3_REGION must be a region such as eu-central-1; it is "Frankfurt!"',
    ],
    [
      { BACKUP_S3_ENDPOINT: 'https://key:hunter2@s3.example' },
      '  BACKUP_S3_ENDPOINT must be a URL such as https://s3.example:9000, without credentials (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)',
    ],
  ])('refuses %j', (environment, line) => {
    expect(errorOf({ DATABASE_URL: URL_WITH_SECRET, ...environment }).message).toBe(
      `One setting is invalid:\n${line}`,
    );
  });

  it('reads the bucket that backups are copied to', () => {
    expect(
      readSettings({
        DATABASE_URL: URL_WITH_SECRET,
        BACKUP_UPLOAD_ENABLED: 'TRUE',
        BACKUP_S3_BUCKET: 'clinic-backups',
        BACKUP_S3_REGION: 'eu-central-1',
        BACKUP_S3_ENDPOINT: 'https://s3.example:9000',
        GCS_BACKUP_BUCKET: 'clinic-copies',
      }).offsite,
    ).toEqual({
      uploadEnabled: true,
      s3: { bucket: 'clinic-backups', region: 'eu-central-1', endpoint: 'https://s3.example:9000' },
      gcs: { bucket: 'clinic-copies' },
    });
  });

  it.each([
    ['100', 50],
    ['500', 250],
    ['1599', 799],
    ['1600', 800],
    ['60000', 800],
  ])('adapts the deadline to READINESS_REFRESH_MS=%s', (refresh, timeoutMs) => {
    const settings = readSettings({ DATABASE_URL: URL_WITH_SECRET, READINESS_REFRESH_MS: refresh });
    expect(settings.readiness).toMatchObject({ refreshMs: Number(refresh), timeoutMs, failureThreshold: 3 });
  });

  it('reads the trusted proxies', () => {
    const proxies = { TRUST_PROXY: ' 10.0.0.0/8,fd00::/8 , 192.168.1.7,::1' };
    expect(readSettings({ DATABASE_URL: URL_WITH_SECRET, ...proxies }).http.trustedProxies).toEqual([
      { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
      { address: 'fd00::', prefix: 8, family: 'ipv6' },
      { address: '192.168.1.7', prefix: 32, family: 'ipv4' },
      { address: '::1', prefix: 128, family: 'ipv6' },
    ]);
    expect(readSettings({ DATABASE_URL: URL_WITH_SECRET }).http.trustedProxies).toEqual([]);
  });

  it('reports which URL is missing', () => {
    expect(errorOf({ NODE_ENV: 'production' }).message).toBe(
      'One setting is invalid:\n  DATABASE_URL_PROD or DATABASE_URL must be set: the PostgreSQL URL of the database to protect',
    );
  });

  it('reads secrets from files, without their last newline, and counts empty ones as unset', () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
    const url = path.join(directory, 'url');
    const token = path.join(directory, 'token');
    writeFileSync(url, `${URL_WITH_SECRET}\n`);
    writeFileSync(token, '\n');
    const settings = readSettings({ DATABASE_URL_FILE: url, ADMIN_API_TOKEN_FILE: token });
    expect(settings.database.url.password).toBe('hunter2');
    expect(settings.http.adminToken).toBeUndefined();
    expect(errorOf({ DATABASE_URL_FILE: directory }).message).toContain(
      `DATABASE_URL_FILE names a directory, not a file (${directory})`,
    );
  });

  describe('DIRECT_URL', () => {
    const pooled = 'postgresql://u@pooler:6432/app?schema=clinic';

    it('is used for everything except checks of the application’s own connection', () => {
      const { database } = readSettings({ DATABASE_URL: pooled, DIRECT_URL: 'postgresql://u@server/app' });
      expect(database.pooledUrl).toMatchObject({ hosts: [{ host: 'pooler', port: 6432 }], schema: 'clinic' });
      expect(database.url).toMatchObject({
        hosts: [{ host: 'server', port: 5432 }],
        schema: 'clinic',
        sameAs: { setting: 'DATABASE_URL', database: 'app' },
      });
      expect(readSettings({ DATABASE_URL: pooled }).database.url.sameAs).toBeUndefined();
    });

    it('has aliases, which must agree, and does not replace DATABASE_URL', () => {
      expect(
        errorOf({
          DIRECT_URL: 'postgresql://u:hunter2@one/app',
          DIRECT_DATABASE_URL: 'postgresql://u:hunter2@one/app',
          DATABASE_URL_UNPOOLED: 'postgresql://u:hunter2@two/app',
        }).message,
      ).toBe(
        [
          '2 settings are invalid:',
          '  DATABASE_URL_UNPOOLED is an alias of DIRECT_URL, but has another value: keep one',
          '  DATABASE_URL must be set: the PostgreSQL URL of the database to protect',
        ].join('\n'),
      );
    });
  });

  it.each([
    ['aws rds generate-db-auth-token', ['aws', 'rds', 'generate-db-auth-token']],
    ['["sh","-c","cat \\"$0\\"","a file"]', ['sh', '-c', 'cat "$0"', 'a file']],
  ])('accepts DATABASE_PASSWORD_COMMAND=%s', (command, argv) => {
    const { database } = readSettings({
      DATABASE_URL: 'postgresql://u@h/db',
      DATABASE_PASSWORD_COMMAND: command,
    });
    expect(database.url.passwordSource).toMatchObject({ kind: 'command', argv, maxAgeMs: 600_000 });
    expect(JSON.stringify(database)).not.toContain('PATH');
  });

  it.each([
    ['cat "my file"', 'it does not run in a shell: write arguments with such characters as a JSON array'],
    ['cat $HOME/token', 'it does not run in a shell: write arguments with such characters as a JSON array'],
    ['["cat", 1]', 'it begins with [ but is not a JSON array of strings'],
    ['[cat', 'it begins with [ but is not a JSON array of strings'],
  ])('refuses DATABASE_PASSWORD_COMMAND=%s, without showing it', (command, fault) => {
    const environment = { DATABASE_URL: 'postgresql://u@h/db', DATABASE_PASSWORD_COMMAND: command };
    expect(errorOf(environment).message).toBe(
      `One setting is invalid:\n  DATABASE_PASSWORD_COMMAND must be a program and its arguments: ${fault}`,
    );
  });

  it('refuses a password command beside a password', () => {
    const environment = { DATABASE_URL: URL_WITH_SECRET, DATABASE_PASSWORD_COMMAND: 'print-token' };
    expect(errorOf(environment).message).toBe(
      'One setting is invalid:\n  DATABASE_PASSWORD_COMMAND is set, but DATABASE_URL holds a password: keep one',
    );
  });

  it.each([
    ['0 2 * * *', '0 2 * * *'],
    ['*/20 * * * * *', '*/20 * * * * *'],
    ['@daily', '@daily'],
    ['OFF', undefined],
    ['', '0 2 * * *'],
  ])('accepts BACKUP_SCHEDULE=%s', (text, schedule) => {
    const settings = readSettings({ DATABASE_URL: 'postgresql://u@h/db', BACKUP_SCHEDULE: text });
    expect(settings.backup.schedule).toBe(schedule);
  });

  it.each([
    ['0 25 * * *', 'Field value (25) is out of range'],
    ['2 o’clock', 'Unknown alias: o'],
    ['* * *', 'Too few fields'],
    ['0 0 30 2 *', 'no date matches it'],
  ])('refuses BACKUP_SCHEDULE=%s with the parser’s message', (text, fault) => {
    expect(() => readSettings({ DATABASE_URL: 'postgresql://u@h/db', BACKUP_SCHEDULE: text })).toThrow(
      `One setting is invalid:\n  BACKUP_SCHEDULE must be a cron expression (minute hour day month weekday, such as "0 2 * * *" for two o’clock every night) or off: ${fault}; it is "${text}"`,
    );
  });

  it.each([
    [{}, 30],
    [{ SOFT_DELETE_GRACE_PERIOD_DAYS: '7' }, 7],
    [{ SOFT_DELETE_GRACE_PERIOD_DAYS: 'a month' }, 30],
  ])('reads the grace period for a client from %j', (environment, days) => {
    expect(readGracePeriodDays(environment)).toBe(days);
  });
});
