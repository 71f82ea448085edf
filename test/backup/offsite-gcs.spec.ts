import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { FakeGcsServer } from '../support/fake-gcs-server.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('pgkeep backup with a bucket in a fake of Google Cloud Storage', () => {
  let own: ThrowAwayCluster;
  let fake: FakeGcsServer;
  let environment: Environment;
  const directory = backupDirectory();

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    fake = await FakeGcsServer.start('clinic-backups');
    fake.isOpen = true;
    const url = await createDatabase(own, 'clouded');
    await query(url, 'CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i');
    environment = {
      DATABASE_URL: url,
      BACKUP_DIR: directory,
      BACKUP_UPLOAD_ENABLED: 'true',
      GCS_BACKUP_BUCKET: fake.bucket,
      STORAGE_EMULATOR_HOST: fake.url,
    };
  });
  afterAll(async () => {
    await fake.close();
    await own.cluster.destroy();
  });

  it('copies, lists and verifies there, and removes it again', async () => {
    const made = await runCli(['backup', '--json'], environment);
    expect(made).toMatchObject({ code: 0, stderr: '' });
    const { name, locations } = JSON.parse(made.stdout);
    expect(locations).toEqual([directory, 'gs://clinic-backups']);
    const isPut = (request: string) => request.startsWith('POST /upload/') && !request.includes('clock-');
    const puts = fake.requests.filter(isPut);
    expect(puts.map((request) => /name=[^&]*?(\w+)\.(?:dump|json)/.exec(request)?.[0])).toEqual([
      `name=${name}.unfinished.json`,
      `name=${name}.dump`,
      `name=${name}.manifest.json`,
    ]);
    rmSync(directory, { recursive: true });
    const listed = await runCli(['backup', 'list', '--json'], environment);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      backups: [{ name, locations: ['gs://clinic-backups'] }],
      unreachable: [],
    });
    expect(await runCli(['backup', 'verify', name], environment)).toMatchObject({ code: 0, stderr: '' });

    const gone = await runCli(['backup', 'list'], { ...environment, GCS_BACKUP_BUCKET: 'gone' });
    expect(gone.stdout).toBe(
      'No backups found.\nThe list is incomplete: Cannot list gs://gone: the bucket does not exist.\n',
    );
  });
});
