import { mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { NestFactory } from '@nestjs/core';
import { BackupService } from '../../src/backup/backup.service.js';
import { readSettings } from '../../src/config/read-settings.js';
import { DatabaseService } from '../../src/postgres/database.service.js';
import { DriftService } from '../../src/drift/drift.service.js';
import { AccessService } from '../../src/access/access.service.js';
import { FailedLogins } from '../../src/access/failed-logins.js';
import { FailureThrottle } from '../../src/access/failure-throttle.js';
import { SystemClock } from '../../src/core/clock.js';
import { InstallService } from '../../src/install/install.service.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ReadinessService } from '../../src/readiness/readiness.service.js';
import { StatsService } from '../../src/stats/stats.service.js';
import { CLINIC_MIGRATIONS, createClinic, query } from '../support/clinic.js';
import { withApp } from '../support/evaluate.js';
import { emptyDirectory } from '../support/pgkeep-process.js';
import { presentCertificate, selfSigned } from '../support/server-certificates.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

let own: ThrowAwayCluster;
let superuser: string;
let passwords = 0;
/** The role's current password. */
let password: string;

beforeAll(async () => {
  own = await startThrowAwayCluster();
  superuser = await createClinic(own, 'clinic', { seeded: true });
  await query(superuser, 'CREATE ROLE rotated LOGIN SUPERUSER');
});

afterAll(() => own.cluster.destroy());

beforeEach(rotate);

/** Changes the role's password, and ends its sessions, as a rotation with a fail-over does. */
async function rotate(): Promise<void> {
  passwords += 1;
  password = `secret-${passwords}`;
  await query(superuser, `ALTER ROLE rotated PASSWORD '${password}'`);
  await query(superuser, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotated'`);
}

function urlWith(credentials: string, port = own.cluster.port): string {
  return `postgresql://${credentials}@127.0.0.1:${port}/clinic`;
}

/** A directory as Kubernetes mounts a secret: `file` → `..data/file`, `..data` → a directory that is swapped. */
class MountedSecret {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-secret-'));
  readonly file = path.join(this.directory, 'value');
  private versions = 0;

  constructor(text: string) {
    this.replace(text);
    symlinkSync('..data/value', this.file);
  }

  replace(text: string): void {
    this.versions += 1;
    const version = `..version-${this.versions}`;
    mkdirSync(path.join(this.directory, version));
    writeFileSync(path.join(this.directory, version, 'value'), text);
    symlinkSync(version, path.join(this.directory, '..data_tmp'));
    renameSync(path.join(this.directory, '..data_tmp'), path.join(this.directory, '..data'));
  }
}

const common = () => ({
  MIGRATIONS_DIR: CLINIC_MIGRATIONS,
  BACKUP_DIR: emptyDirectory(),
  PATH: process.env['PATH'] ?? '',
});

describe('DATABASE_URL_FILE', () => {
  it('is read again after a rotation: every session, every program, no restart', async () => {
    const secret = new MountedSecret(`${urlWith(`rotated:${password}`)}\n`);
    await withApp({ DATABASE_URL_FILE: secret.file, ...common() }, async (app) => {
      const evaluate = async () => (await app.get(ReadinessService).evaluate()).verdict.checks.database;
      expect(await evaluate()).toMatchObject({ ok: true });
      await app.get(StatsService).collect('estimated');

      await rotate();
      // The first evaluation finds its connection broken, the second is refused.
      await evaluate();
      expect(await evaluate()).toEqual({
        ok: false,
        gate: 'enforce',
        code: 'DATABASE_AUTHENTICATION_FAILED',
        hint: 'docs/checks.md#database_authentication_failed',
        details:
          'No usable database connection: password authentication failed for user "rotated". Check the user and password of the database URL, and pg_hba.conf.',
      });

      secret.replace(urlWith(`rotated:${password}`));
      expect(await evaluate()).toMatchObject({ ok: true });
      expect((await app.get(StatsService).collect('estimated')).tableCount).toBeGreaterThan(3);
      await app.get(InstallService).install();
      expect((await app.get(BackupService).create({ reason: 'manual' })).tables).toBeGreaterThan(3);
      expect((await app.get(DriftService).report()).verdict).toBe('unknown');
    });
  });

  it('may name another user and another server: connections to the old ones are closed', async () => {
    await query(superuser, `CREATE ROLE second LOGIN SUPERUSER PASSWORD 'of-the-second'`);
    const before = await TcpProxy.to(own.cluster.port);
    const secret = new MountedSecret(urlWith(`rotated:${password}`, before.port));
    try {
      await withApp({ DATABASE_URL_FILE: secret.file, ...common() }, async (app) => {
        const { primary, probe } = app.get(DatabaseService);
        const who = async () =>
          (await app.get(DatabaseService).read(primary, 'SELECT current_user::text AS who'))[0];
        expect(await who()).toEqual({ who: 'rotated' });
        await app.get(ReadinessService).evaluate();
        expect(before.connections).toBe(2);

        secret.replace(urlWith('second:of-the-second'));
        expect(await who()).toEqual({ who: 'second' });
        await app.get(ReadinessService).evaluate();
        expect(before.connections).toBe(0);
        expect(probe).toBeDefined();
      });
    } finally {
      await before.close();
    }
  });

  it.each([
    ['is empty', '', 'contains an invalid value: it is empty'],
    [
      'holds no URL',
      'half of a',
      'contains an invalid value: must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it must begin with postgresql:// or postgres://',
    ],
    [
      'names another database',
      'postgresql://rotated:none@127.0.0.1/other',
      'contains an invalid value: it names another database or schema, which needs a restart',
    ],
  ])('is not used while it %s, which a failed authentication reports', async (_, text, fault) => {
    const secret = new MountedSecret(urlWith(`rotated:${password}`));
    await withApp({ DATABASE_URL_FILE: secret.file, ...common() }, async (app) => {
      secret.replace(text);
      expect(await app.get(DatabaseService).ping()).toMatchObject({ role: 'rotated' });
      await rotate();
      await expect(app.get(DatabaseService).ping()).rejects.toMatchObject({
        message: `Cannot connect to 127.0.0.1:${own.cluster.port}/clinic: password authentication failed for user "rotated" (DATABASE_URL_FILE ${fault}; its previous URL was used)`,
      });
    });
  });
});

it('sslrootcert is read again for each connection', async () => {
  const { certificate, key } = await selfSigned(['127.0.0.1']);
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-ca-')), 'root.crt');
  writeFileSync(file, readFileSync(own.rootCertificateFile));
  const url = `${urlWith(`rotated:${password}`)}?sslmode=verify-full&sslrootcert=${file}`;
  await withApp({ DATABASE_URL: url, ...common() }, async (app) => {
    expect(await app.get(DatabaseService).ping()).toMatchObject({ tls: { serverSeesTls: true } });
    await presentCertificate(own, { certificate, key });
    await expect(app.get(DatabaseService).ping()).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' });
    writeFileSync(file, certificate);
    expect(await app.get(DatabaseService).ping()).toMatchObject({ tls: { serverSeesTls: true } });
  });
});

describe('DATABASE_PASSWORD_COMMAND', () => {
  /** Prints a file, and writes a line for each run. */
  function command(script: string): { DATABASE_PASSWORD_COMMAND: string; runs: () => string[] } {
    const directory = emptyDirectory();
    writeFileSync(path.join(directory, 'runs'), '');
    const log = 'echo "$PGUSER@$PGHOST:$PGPORT/$PGDATABASE" >> "$0/runs"';
    return {
      DATABASE_PASSWORD_COMMAND: JSON.stringify(['/bin/sh', '-c', `${log}; ${script}`, directory]),
      runs: () => readFileSync(path.join(directory, 'runs'), 'utf8').split('\n').filter(Boolean),
    };
  }

  it('provides the password of every session and program; it runs again when a password is refused', async () => {
    const file = path.join(emptyDirectory(), 'token');
    writeFileSync(file, `${password}\n`);
    const { runs, ...setting } = command(`cat '${file}'`);
    await withApp({ DATABASE_URL: urlWith('rotated'), ...setting, ...common() }, async (app) => {
      await app.get(StatsService).collect('estimated');
      await app.get(BackupService).create({ reason: 'manual' });
      expect(runs()).toEqual([`rotated@127.0.0.1:${own.cluster.port}/clinic`]);

      await rotate();
      writeFileSync(file, password);
      await app.get(BackupService).create({ reason: 'manual' });
      expect(await app.get(DatabaseService).ping()).toMatchObject({ role: 'rotated' });
      expect(runs()).toHaveLength(2);
    });
  });

  it('runs again when the password is too old', async () => {
    const { runs, ...setting } = command(`echo ${password}`);
    const environment = {
      DATABASE_URL: urlWith('rotated'),
      DATABASE_PASSWORD_MAX_AGE: '0',
      ...setting,
      ...common(),
    };
    await withApp(environment, async (app) => {
      await app.get(DatabaseService).ping();
      await app.get(DatabaseService).ping();
      expect(runs()).toHaveLength(2);
    });
  });

  it.each([
    ['echo token-on-stdout; echo token-on-stderr >&2; exit 7', 'ended with exit code 7'],
    ['kill -9 $$', 'was ended by SIGKILL'],
    ['true', 'printed nothing'],
    ['echo token-one; echo token-two', 'printed more than one line'],
  ])('%s: the error reports what happened, and nothing of the output', async (script, what) => {
    const { DATABASE_PASSWORD_COMMAND } = command(script);
    await withApp(
      { DATABASE_URL: urlWith('rotated'), DATABASE_PASSWORD_COMMAND, ...common() },
      async (app) => {
        const error: unknown = await app
          .get(DatabaseService)
          .ping()
          .catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({
          code: 'DATABASE_UNREACHABLE',
          message: `Cannot connect to 127.0.0.1:${own.cluster.port}/clinic: DATABASE_PASSWORD_COMMAND ${what}`,
          hint: 'Run the command by hand as this user: it must print the password and nothing else. Its output is not shown here.',
        });
        const { verdict } = await app.get(ReadinessService).evaluate();
        expect(verdict.checks.database).toMatchObject({ ok: false, code: 'DATABASE_AUTHENTICATION_FAILED' });
        expect(JSON.stringify([error, verdict])).not.toContain('token-');
      },
    );
  });

  it('that cannot be started is named', async () => {
    const setting = { DATABASE_PASSWORD_COMMAND: '/nowhere/at/all --token' };
    await withApp({ DATABASE_URL: urlWith('rotated'), ...setting, ...common() }, async (app) => {
      await expect(app.get(DatabaseService).ping()).rejects.toMatchObject({
        message: `Cannot connect to 127.0.0.1:${own.cluster.port}/clinic: DATABASE_PASSWORD_COMMAND cannot be started: ENOENT`,
      });
    });
  });
});

it('PgkeepModule accepts a function that returns the password of each connection', async () => {
  const settings = readSettings({ NODE_ENV: 'test', DATABASE_URL: urlWith('rotated'), ...common() });
  const given: string[] = [];
  const module = PgkeepModule.forRoot(settings, {
    password: async () => {
      given.push(password);
      return await Promise.resolve(password);
    },
  });
  const app = await NestFactory.createApplicationContext(module, { logger: false, abortOnError: false });
  try {
    await app.get(BackupService).create({ reason: 'manual' });
    await rotate();
    expect(await app.get(DatabaseService).ping()).toMatchObject({ role: 'rotated' });
    expect(new Set(given).size).toBe(2);
  } finally {
    await app.close();
  }
});

it('the admin token and the encryption keys are read again', () => {
  const first = 'a'.repeat(40);
  const token = new MountedSecret(first);
  const key = new MountedSecret('correct horse battery');
  const settings = readSettings({
    NODE_ENV: 'production',
    DATABASE_URL: urlWith('rotated'),
    ADMIN_API_TOKEN_FILE: token.file,
    BACKUP_ENCRYPTION_KEY_FILE: key.file,
  });
  const clock = new SystemClock();
  const access = new AccessService(settings, new FailureThrottle(), new FailedLogins(clock), clock);
  const bears = (value: string) => access.hasToken({ authorization: `Bearer ${value}` });
  expect(bears(first)).toBe(true);
  const second = 'b'.repeat(40);
  token.replace(second);
  expect([bears(first), bears(second)]).toEqual([false, true]);
  // Too short for production: not used.
  token.replace('short');
  expect([bears('short'), bears(second)]).toEqual([false, true]);

  key.replace('staple horse battery');
  expect(settings.backup.encryption.key).toEqual({ kind: 'passphrase', passphrase: 'staple horse battery' });
  key.replace('short');
  expect(settings.backup.encryption.key).toEqual({ kind: 'passphrase', passphrase: 'staple horse battery' });
});
