import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { redactSecrets } from '../../src/config/redact-secrets.js';
import { Setting } from '../../src/config/setting.js';
import { parseList, parseSeconds } from '../../src/config/setting-parsers.js';
import { IsNameList, IsWholeNumber } from '../../src/config/setting-rules.js';
import { SECRET_SETTINGS, SETTINGS_CLASSES } from '../../src/config/settings-list.js';
import { SettingsReader } from '../../src/config/settings-reader.js';
import { MinLength } from '../../src/config/validation.js';

const CONTEXT = { workingDirectory: '/srv', environment: 'development' } as const;

/** A settings class, as a new topic would declare it. */
class ToyVariables {
  @Setting('TOY_PERIOD', {
    text: 'a period',
    default: '10',
    unit: 'seconds',
    aliases: ['TOY_INTERVAL'],
    parse: parseSeconds,
  })
  @IsWholeNumber({ min: 1, max: 60 })
  readonly periodMs: number;

  @Setting('TOY_DEADLINE', {
    text: 'a deadline',
    default: ({ periodMs }: ToyVariables) => String(periodMs / 2000),
    unit: 'seconds',
    zeroIsDefault: true,
    parse: parseSeconds,
  })
  @IsWholeNumber({ max: 60 })
  readonly deadlineMs: number;

  @Setting('TOY_NAMES', { text: 'some names', parse: parseList })
  @IsNameList('toys')
  readonly names: readonly string[] | undefined;

  @Setting('TOY_SECRET', { text: 'a secret', secret: true, aliases: ['TOY_KEY'], parse: String })
  @MinLength(4, { message: 'at least 4 characters long' })
  readonly secret: string | undefined;
}

function reader(environment: Environment): SettingsReader {
  return new SettingsReader(environment, [ToyVariables], CONTEXT);
}

function valuesOf(environment: Environment) {
  const toys = reader(environment);
  expect([...toys.faults, ...toys.disagreeingAliases()]).toEqual([]);
  return toys.read(ToyVariables);
}

describe('a declared setting', () => {
  let file = '';

  beforeEach(() => {
    file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-test-')), 'secret');
  });

  it('has its default, which may depend on an earlier one', () => {
    expect(valuesOf({})).toEqual({ periodMs: 10_000, deadlineMs: 5000, names: undefined, secret: undefined });
    expect(valuesOf({ TOY_PERIOD: '20' }).deadlineMs).toBe(10_000);
    expect(valuesOf({ TOY_PERIOD: '20', TOY_DEADLINE: '3' }).deadlineMs).toBe(3000);
  });

  it('replaces a zero that would switch off a limit, and records that', () => {
    expect(valuesOf({ TOY_DEADLINE: '0' }).deadlineMs).toBe(5000);
    expect(reader({ TOY_DEADLINE: '0' }).zeroes(ToyVariables)).toEqual(['TOY_DEADLINE']);
    expect(reader({ TOY_DEADLINE: '1' }).zeroes(ToyVariables)).toEqual([]);
  });

  it('is read by its alias, which must agree with its name', () => {
    expect(valuesOf({ TOY_INTERVAL: '20' }).periodMs).toBe(20_000);
    expect(valuesOf({ TOY_INTERVAL: '20', TOY_PERIOD: '020' }).periodMs).toBe(20_000);
    expect(
      reader({
        TOY_INTERVAL: '30',
        TOY_PERIOD: '20',
        TOY_SECRET: 'hush',
        TOY_KEY: 'husher',
      }).disagreeingAliases(),
    ).toEqual([
      { subject: 'TOY_INTERVAL', problem: 'is 30, but it is an alias of TOY_PERIOD, which is 20: keep one' },
      { subject: 'TOY_KEY', problem: 'is an alias of TOY_SECRET, but has another value: keep one' },
    ]);
  });

  it('reports an invalid value under the name that was used, with the unit and without secrets', () => {
    const faults = reader({ TOY_PERIOD: '0', TOY_INTERVAL: 'x', TOY_NAMES: 'a b', TOY_KEY: 'abc' }).faults;
    expect(faults).toEqual([
      { subject: 'TOY_PERIOD', problem: 'must be a whole number from 1 to 60 (seconds); it is "0"' },
      { subject: 'TOY_INTERVAL', problem: 'must be a whole number from 1 to 60 (seconds); it is "x"' },
      { subject: 'TOY_NAMES', problem: 'must be names of toys; it is "a b"' },
      { subject: 'TOY_KEY', problem: 'must be at least 4 characters long' },
    ]);
  });

  it('is read from a file, and again after a change if it is a secret', () => {
    writeFileSync(file, 'first\n');
    const values = valuesOf({ TOY_KEY_FILE: file, TOY_NAMES_FILE: file });
    expect(values).toMatchObject({ secret: 'first', names: ['first'] });
    writeFileSync(file, 'second\n');
    expect(values).toMatchObject({ secret: 'second', names: ['first'] });
    writeFileSync(file, 'abc\n');
    expect(values.secret).toBe('second');
    expect(reader({ TOY_KEY_FILE: '/nowhere/secret' }).faults).toEqual([
      { subject: 'TOY_KEY_FILE', problem: 'names a file that does not exist (/nowhere/secret)' },
    ]);
  });
});

describe('the declared settings', () => {
  it('have examples that their rules accept', () => {
    const examples = parseEnv(readFileSync('.env.example', 'utf8').replaceAll(/^#(?=[A-Z_0-9]+=)/gm, ''));
    expect(Object.keys(examples).length).toBeGreaterThan(50);
    const { faults } = new SettingsReader(examples, SETTINGS_CLASSES, CONTEXT);
    // Placeholders: a real key in an example would be copied.
    expect(faults.map(({ subject }) => subject)).toEqual([
      'BACKUP_ENCRYPTION_KEY',
      'BACKUP_ENCRYPTION_IDENTITY',
    ]);
  });

  it('are secret if they may hold a password or a key', () => {
    expect([...SECRET_SETTINGS]).toEqual([
      'DATABASE_URL',
      'DATABASE_URL_PROD',
      'DIRECT_URL',
      'DIRECT_DATABASE_URL',
      'DATABASE_URL_UNPOOLED',
      'DATABASE_READ_REPLICA_URL',
      'DATABASE_PASSWORD_COMMAND',
      'ADMIN_API_TOKEN',
      'TEST_DATABASE_URL',
      'BACKUP_ENCRYPTION_KEY',
      'BACKUP_ENCRYPTION_IDENTITY',
      'BACKUP_S3_ENDPOINT',
      'METRICS_TOKEN',
      'ALERT_WEBHOOKS',
      'ALERT_WEBHOOK_SECRET',
      'ALERT_ALERTMANAGER_URLS',
      'ALERT_SMTP_URL',
      'ALERT_HEARTBEAT_URL',
    ]);
  });

  it.each([...SECRET_SETTINGS])('redact %s in the messages of other programs', (name) => {
    const secret = /URL|ENDPOINT/.test(name) ? 'postgresql://user:hunter22@host/db' : 'hunter22';
    expect(redactSecrets('cannot use hunter22', { [name]: secret })).toBe('cannot use ***');
  });
});
