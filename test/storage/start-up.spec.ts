import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { createClinic } from '../support/clinic.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('a bucket that is configured and not used', () => {
  let own: ThrowAwayCluster;
  let environment: Environment;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    environment = {
      DATABASE_URL: await createClinic(own, 'clinic', {}),
      MIGRATIONS_DIR: path.resolve('examples/clinic/prisma/migrations'),
      PORT: '0',
      BACKUP_UPLOAD_ENABLED: 'true',
      AWS_S3_BACKUP_BUCKET: 'clinic-backups',
      BACKUP_S3_ENDPOINT: 'http://127.0.0.1:9',
      GCS_BACKUP_BUCKET: 'clinic-backups',
      AWS_ACCESS_KEY_ID: 'unused',
      AWS_SECRET_ACCESS_KEY: 'nothing',
      NODE_OPTIONS: `--import ${path.resolve('test/support/record-imports.mjs')}`,
    };
  });
  afterAll(() => own.cluster.destroy());

  /** The cloud SDKs that were imported while `work` ran in a process with this environment. */
  async function clouds(work: (environment: Environment) => Promise<unknown>): Promise<string[]> {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-imports-')), 'imports');
    await work({ ...environment, RECORDED_IMPORTS: file });
    const imports = readFileSync(file, 'utf8');
    // The service is bundled, a verb is not.
    expect(imports).toMatch(/dist\/(bundle\/service|storage\/storage\.module)\.js/);
    return ['@aws-sdk/client-s3', '@google-cloud/storage', 'open-buckets.js'].filter((name) =>
      imports.includes(name),
    );
  }

  it('loads no cloud SDK at the start of the service and for `pgkeep ready`', async () => {
    const served = await clouds(async (settings) => {
      const service = new PgkeepProcess('main', [], settings);
      await service.listening();
      service.signal('SIGTERM');
      await service.end();
    });
    expect(served).toEqual([]);
    expect(
      await clouds(async (settings) => expect((await runCli(['ready'], settings)).code).toBe(0)),
    ).toEqual([]);
  });

  it('loads one when it is used: the recording works', async () => {
    const used = await clouds(async (settings) => {
      const { code, stdout } = await runCli(['backup', 'list'], { ...settings, GCS_BACKUP_BUCKET: '' });
      expect(code).toBe(0);
      expect(stdout).toBe(
        'No backups found.\nThe list is incomplete: Cannot list s3://clinic-backups: it cannot be reached (connect ECONNREFUSED 127.0.0.1:9).\n',
      );
    });
    expect(used).toEqual(['@aws-sdk/client-s3', 'open-buckets.js']);
  });
});
