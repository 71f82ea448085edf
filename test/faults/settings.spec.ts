import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { CHECK_NAMES } from '../../src/readiness/checks.js';
import { emptyDirectory, PgkeepProcess, runCli, type ProcessOptions } from '../support/pgkeep-process.js';

const CONFIGURATION_ERROR = 78;
const SECRET = 'hush-hush-hush';
const EVERY_SETTING = 'Every setting is described in .env.example and in docs/settings.md.\n';
/** A port on which no server listens. */
const NOWHERE = `postgresql://user:${SECRET}@127.0.0.1:1/nowhere`;

/** Runs a command with invalid settings. @returns its stderr; stdout must be empty. */
async function refusal(environment: Environment, options?: ProcessOptions): Promise<string> {
  const command = await runCli(['ready'], environment, options);
  expect({ ...command, stderr: '' }).toEqual({ code: CONFIGURATION_ERROR, stdout: '', stderr: '' });
  expect(command.stderr).not.toContain(SECRET);
  return command.stderr;
}

/** Starts the service as well, with the same invalid settings; both must report the same. */
async function refusalOfBoth(environment: Environment, options?: ProcessOptions): Promise<string> {
  const service = new PgkeepProcess('main', [], environment, options);
  try {
    const [said, { code }] = await Promise.all([refusal(environment, options), service.end(10_000)]);
    expect({ code, stdout: service.stdout, stderr: service.stderr }).toEqual({
      code: CONFIGURATION_ERROR,
      stdout: '',
      stderr: said,
    });
    return said;
  } finally {
    await service.kill();
  }
}

describe('invalid settings end the start with 78', () => {
  it('with one message that lists every fault', async () => {
    const missing = path.join(emptyDirectory(), 'missing');
    const said = await refusalOfBoth({
      NODE_ENV: 'produciton',
      DATABASE_URL: `postgres//user:${SECRET}@host/db`,
      DATABASE_URL_PROD_FILE: '/tmp',
      DATABASE_READ_REPLICA_URL: `postgresql://user:${SECRET}%@host/db`,
      DATABASE_MAX_CONNECTIONS: 'ten',
      DB_QUERY_TIMEOUT: '-5',
      PORT: '70000',
      READINESS_DETAILS: 'some',
      READINESS_GATES: 'backup=latch',
      BACKUP_ENABLED: 'yes',
      LAST_BACKUP_RESTORE_TEST_DATE: '07.02.2026',
      ADMIN_API_TOKEN_FILE: missing,
    });
    expect(said).toBe(`12 settings are invalid:
  DATABASE_URL_PROD_FILE names a directory, not a file (/tmp)
  ADMIN_API_TOKEN_FILE names a file that does not exist (${missing})
  NODE_ENV must be development, test, staging or production; it is "produciton"
  DATABASE_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it must begin with postgresql:// or postgres://
  DATABASE_READ_REPLICA_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it has a % that is not followed by two hexadecimal digits (write % as %25)
  DATABASE_MAX_CONNECTIONS must be a whole number (connections); it is "ten"
  DB_QUERY_TIMEOUT must be a whole number from 0 to 2147483647 (milliseconds); it is "-5"
  PORT must be a whole number from 0 to 65535 (a TCP port); it is "70000"
  READINESS_DETAILS must be always, codes or never; it is "some"
  READINESS_GATES must be a list such as backupConfig=latch,environment=warn: "backup" is not a check (${CHECK_NAMES.join(', ')}); it is "backup=latch"
  BACKUP_ENABLED must be true or false; it is "yes"
  LAST_BACKUP_RESTORE_TEST_DATE must be an ISO 8601 date such as 2026-02-07; it is "07.02.2026"
${EVERY_SETTING}`);
  });

  it('that contradict each other, or are set both directly and by a file', async () => {
    const [contradictory, twice] = await Promise.all([
      refusal({
        DATABASE_URL: NOWHERE,
        DATABASE_MAX_CONNECTIONS: '20',
        DB_POOL_MAX: '10',
        READINESS_REFRESH_MS: '500',
        READINESS_TIMEOUT_MS: '800',
      }),
      refusal({ DATABASE_URL: NOWHERE, DATABASE_URL_FILE: '/run/secrets/database-url' }),
    ]);
    expect(contradictory).toBe(`2 settings are invalid:
  DB_POOL_MAX is 10, but it is an alias of DATABASE_MAX_CONNECTIONS, which is 20: keep one
  READINESS_TIMEOUT_MS must be below READINESS_REFRESH_MS (500), or evaluations overlap; it is 800
${EVERY_SETTING}`);
    expect(twice).toBe(`One setting is invalid:
  DATABASE_URL is set twice, directly and by DATABASE_URL_FILE: keep one
${EVERY_SETTING}`);
  });

  it('in production without a database, and with a short admin token', async () => {
    const [without, short] = await Promise.all([
      refusalOfBoth({ NODE_ENV: 'production' }),
      refusal({
        NODE_ENV: 'production',
        DATABASE_URL: NOWHERE,
        ADMIN_API_TOKEN: `${SECRET}-15-more-letters`,
      }),
    ]);
    expect(without).toBe(`One setting is invalid:
  DATABASE_URL_PROD or DATABASE_URL must be set: the PostgreSQL URL of the database to protect
${EVERY_SETTING}`);
    expect(short).toBe(`One setting is invalid:
  ADMIN_API_TOKEN must be at least 32 characters long in production
${EVERY_SETTING}`);
  });

  it('with a secret’s file, or a .env file, that cannot be read', async () => {
    const directory = emptyDirectory();
    chmodSync(directory, 0o755);
    const file = path.join(directory, 'secret');
    writeFileSync(file, SECRET, { mode: 0o000 });
    // Root can read every file, so that tests of root run the command as an unprivileged user.
    const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const asUser = { cwd: directory, ...user };
    const withDirectory = emptyDirectory();
    mkdirSync(path.join(withDirectory, '.env'));
    const [unreadable, dotEnv] = await Promise.all([
      refusal({ DATABASE_URL: NOWHERE, ADMIN_API_TOKEN_FILE: file }, asUser),
      refusal({ DATABASE_URL: NOWHERE }, { cwd: withDirectory }),
    ]);
    expect(unreadable).toBe(`One setting is invalid:
  ADMIN_API_TOKEN_FILE names a file that this user may not read (${file})
${EVERY_SETTING}`);
    expect(dotEnv).toBe(`Cannot read ${withDirectory}/.env.
Make it readable for this user, or remove it.
`);
  });

  it('with a certificate of the database URL that cannot be read', async () => {
    const said = await refusalOfBoth({
      DATABASE_URL: `${NOWHERE}?sslmode=verify-full&sslrootcert=/nowhere/root.crt`,
    });
    expect(said)
      .toBe(`Cannot read the sslrootcert of the database URL: ENOENT: no such file or directory, open '/nowhere/root.crt'
Give sslrootcert the path of a PEM file that this user may read.
`);
  });

  it('with --json as one document on stdout', async () => {
    const { code, stdout, stderr } = await runCli(['ready', '--json'], { NODE_ENV: 'production' });
    expect([code, stderr]).toEqual([CONFIGURATION_ERROR, '']);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'CONFIG_INVALID',
        message:
          'One setting is invalid:\n  DATABASE_URL_PROD or DATABASE_URL must be set: the PostgreSQL URL of the database to protect',
        hint: EVERY_SETTING.trim(),
      },
    });
  });
});

describe('a misplaced secret is not shown', () => {
  it('such as a URL or a token in place of a file’s path', async () => {
    const said = await refusal({ DATABASE_URL_FILE: NOWHERE, ADMIN_API_TOKEN_FILE: `${SECRET}-token` });
    expect(said).toBe(`2 settings are invalid:
  DATABASE_URL_FILE names a file that does not exist
  ADMIN_API_TOKEN_FILE names a file that does not exist
${EVERY_SETTING}`);
  });

  it.each(['@', '/'])('such as a password with an unescaped "%s"', async (character) => {
    const DATABASE_URL = `postgresql://user:1${character}${SECRET}@127.0.0.1:1/db`;
    expect(await runCli(['ping'], { DATABASE_URL })).toEqual({
      code: CONFIGURATION_ERROR,
      stdout: '',
      stderr: `One setting is invalid:
  DATABASE_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it has too many @ characters (in a user, password or name write @ as %40, / as %2F, ? as %3F)
${EVERY_SETTING}`,
    });
  });

  it('such as the incomplete notes of a killed pgkeep', async () => {
    const cwd = emptyDirectory();
    mkdirSync(path.join(cwd, '.pgkeep'));
    writeFileSync(path.join(cwd, '.pgkeep', 'embedded.json'), `{"url":"${NOWHERE}"`);
    const { code, stdout, stderr } = await runCli(['ready'], {}, { cwd });
    expect({ code, stdout, stderr }).toEqual({
      code: CONFIGURATION_ERROR,
      stdout: '',
      stderr: `One setting is invalid:
  DATABASE_URL must be set: the PostgreSQL URL of the database to protect
${EVERY_SETTING}`,
    });
  });
});

describe('a misspelled name', () => {
  it('is reported with the nearest name, and the command continues', async () => {
    const { code, stdout, stderr } = await runCli(['ready', '--json'], {
      DATABASE_URL: NOWHERE,
      DATABASE_MAX_CONECTIONS: '10',
      BACKUP_COLOUR: SECRET,
    });
    expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ status: 'not_ready' })]);
    expect(stderr)
      .toBe(`Note: BACKUP_COLOUR is not a setting of pgkeep and is ignored: this version has no setting of that name.
Note: DATABASE_MAX_CONECTIONS is not a setting of pgkeep and is ignored: did you mean DATABASE_MAX_CONNECTIONS?
`);
  });

  it('of an environment or a command is wrong usage: exit 2', async () => {
    const [environment, verb] = await Promise.all([
      runCli(['ready', '--env', 'prod'], { DATABASE_URL: NOWHERE }),
      runCli(['raedy'], { DATABASE_URL: NOWHERE }),
    ]);
    expect(environment).toEqual({
      code: 2,
      stdout: '',
      stderr: 'There is no environment "prod".\nUse one of development, test, staging, production.\n',
    });
    expect(verb).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining("unknown command 'raedy'"),
    });
  });
});
