import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { MaintenanceService } from '../../src/maintenance/maintenance.service.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query, verified } from '../support/clinic.js';
import { FakeGcsServer } from '../support/fake-gcs-server.js';
import { withRooms } from '../support/rooms.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { DoctoredApplication, INIT } from './doctored-application.js';

describe('pgkeep doctor', () => {
  let own: ThrowAwayCluster;
  let application: DoctoredApplication;
  let bucket: FakeGcsServer;
  let url: string;
  let production: Environment;
  const directory = backupDirectory();

  const run = async (argv: readonly string[], environment: Environment = production): Promise<string> => {
    const { code, stdout, stderr } = await application.pgkeep(argv, environment);
    expect({ argv, code, stdout, stderr }).toMatchObject({ code: 0 });
    return stdout;
  };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    application = await DoctoredApplication.create();
    bucket = await FakeGcsServer.start('clinic-backups');
    bucket.isOpen = true;
    url = await createDatabase(own, 'clinic');
    await createDatabase(own, 'staging');
    application.write('.env.staging', `DATABASE_URL=${own.cluster.url('staging')}\n`);
    production = {
      NODE_ENV: 'production',
      DATABASE_URL: verified(own, url),
      DATABASE_MAX_CONNECTIONS: '20',
      BACKUP_ENABLED: 'true',
      BACKUP_RETENTION_DAYS: '30',
      BACKUP_DIR: directory,
      BACKUP_UPLOAD_ENABLED: 'true',
      GCS_BACKUP_BUCKET: bucket.bucket,
      STORAGE_EMULATOR_HOST: bucket.url,
      // Not due while the test runs.
      BACKUP_SCHEDULE: '0 0 29 2 *',
      RESTORE_TEST_SCHEDULE: '0 0 29 2 *',
      READINESS_TIMEOUT_MS: '3000',
    };
    await run(['install']);
    await run(['stamp', 'production']);
    await run(['migrate', 'deploy', '--without-backup']);
    await run(['migrate', 'deploy', '--without-backup', '--env', 'staging'], {});
    await run(['install', '--ddl-guard']);
    await run(['backup']);
    await run(['restore', 'test']);
    await withRooms(url, (rooms) => rooms.get(MaintenanceService).step(), production);
  });
  afterAll(async () => {
    application.remove();
    await bucket.close();
    await own.cluster.destroy();
  });

  it('passes a production database that is as the guides want it', async () => {
    const { code, report, lines } = await application.doctor(production);
    expect(report.groups.flatMap((group) => group.lines).filter(({ status }) => status !== 'ok')).toEqual([]);
    expect({ code, verdict: report.verdict, environment: report.environment }).toEqual({
      code: 0,
      verdict: 'passed',
      environment: 'production',
    });
    expect(report.groups.map(({ heading, lines: { length } }) => [heading, length])).toEqual([
      ['Before committing schema changes', 6],
      ['Before deployment', 16],
      ['After deployment', 6],
      ['Every 90 days', 4],
    ]);
    expect(lines).toMatchObject({
      tls: { details: 'TLSv1.3, verified' },
      rights: { details: 'role postgres has every right that the features need' },
      'ddl-guard': { details: 'on' },
      committed: { details: 'prisma/migrations' },
      staging: { details: '1 applied in staging' },
      history: { details: '1 applied, 0 pending' },
      'off-site': {
        details: 'gs://clinic-backups can be listed; the next upload shows whether it can be written',
      },
      ready: { details: 'ready' },
      migrations: { details: '1/1 migrations applied' },
      evidence: { details: '1 restore test' },
    });
  });
});
