import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from '@jest/globals';
import { wantsEmbedded } from '../../src/config/database-settings.js';
import { loadEnvironment } from '../../src/config/process-environment.js';

it('reads .env.ENV before .env, and the shell wins over both', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
  writeFileSync(path.join(directory, '.env'), 'PORT=1\nHOST=general\nBACKUP_ENABLED=false\n');
  writeFileSync(
    path.join(directory, '.env.staging'),
    'HOST=specific\nBACKUP_ENABLED="true"\nREADINESS_REFRESH_MS=9000\n',
  );
  const loaded = loadEnvironment(
    { READINESS_REFRESH_MS: '7000', NODE_ENV: 'development' },
    directory,
    'staging',
  );
  expect(loaded).toEqual({
    environment: {
      PORT: '1',
      HOST: 'specific',
      BACKUP_ENABLED: 'true',
      READINESS_REFRESH_MS: '7000',
      NODE_ENV: 'staging',
    },
    overridden: ['READINESS_REFRESH_MS'],
  });
});

it('refuses an environment that does not exist', () => {
  expect(() => loadEnvironment({}, tmpdir(), 'prod')).toThrow(
    expect.objectContaining({
      code: 'USAGE_INVALID',
      message: 'There is no environment "prod".',
      hint: 'Use one of development, test, staging, production.',
    }),
  );
});

it.each(['DATABASE_URL', 'DATABASE_URL_FILE', 'DIRECT_URL', 'DATABASE_URL_UNPOOLED_FILE'])(
  'uses the embedded database only if no database is set: not with %s',
  (name) => {
    expect(wantsEmbedded({})).toBe(true);
    expect(wantsEmbedded({ [name]: 'given' })).toBe(false);
  },
);
