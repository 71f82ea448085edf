import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SchedulerRegistry } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { InstallService } from '../../src/install/install.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import { JITTER, MaintenanceService } from '../../src/maintenance/maintenance.service.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { PgkeepScheduleModule } from '../../src/scheduler/pgkeep-schedule.module.js';
import { openRooms } from '../support/app.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('the schedule of an importing application', () => {
  let own: ThrowAwayCluster;
  let url: string;
  const every: Environment = { BACKUP_ENABLED: 'true', BACKUP_SCHEDULE: '* * * * * *' };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'guarded');
    const app = await openRooms(url);
    await app.get(InstallService).install();
    await app.close();
  });
  afterAll(() => own.cluster.destroy());

  async function application(
    environment: Environment,
    { scheduled, jitter = 0 }: { scheduled: boolean; jitter?: number },
  ): Promise<TestingModule> {
    const settings = readSettings({ DATABASE_URL: url, BACKUP_DIR: backupDirectory(), ...environment });
    const imports = [PgkeepModule.forRoot(settings), ...(scheduled ? [PgkeepScheduleModule] : [])];
    const module = await Test.createTestingModule({ imports })
      .overrideProvider(JITTER)
      .useValue(() => jitter)
      .compile();
    module.useLogger(false);
    return await module.init();
  }

  async function countOf(): Promise<number> {
    return (await query(url, 'SELECT FROM pgkeep.job_run')).rows.length;
  }

  it('is not part of PgkeepModule, and does nothing while backups are off', async () => {
    const bare = await application(every, { scheduled: false });
    expect(() => bare.get(SchedulerRegistry, { strict: false })).toThrow(/could not find/);
    await bare.close();
    const off = await application({ BACKUP_SCHEDULE: '* * * * * *' }, { scheduled: true });
    expect(off.get(SchedulerRegistry, { strict: false }).getCronJobs().size).toBe(0);
    await off.get(MaintenanceService).step();
    await off.close();
    expect(await countOf()).toBe(0);
  });

  it('with BACKUP_SCHEDULE=off starts manual runs only', async () => {
    const elsewhere = await application(
      { ...every, BACKUP_SCHEDULE: 'OFF', RESTORE_TEST_SCHEDULE: 'off', PERMANENT_DELETE_SCHEDULE: 'off' },
      { scheduled: true },
    );
    await elsewhere.get(MaintenanceService).step();
    expect(await countOf()).toBe(0);
    expect(await elsewhere.get(JobsService).registered()).toMatchObject([
      { name: 'backup', schedule: 'off' },
      { name: 'cleanup', schedule: 'off' },
      { name: 'restore-test', schedule: 'off' },
    ]);
    await elsewhere.close();
  });

  it('spreads missed runs', async () => {
    const daily = {
      ...every,
      BACKUP_SCHEDULE: '0 2 * * *',
      RESTORE_TEST_SCHEDULE: 'off',
      PERMANENT_DELETE_SCHEDULE: 'off',
    };
    const patient = await application(daily, { scheduled: false, jitter: 1 });
    await patient.get(MaintenanceService).step();
    await query(url, `UPDATE pgkeep.job SET since = '2026-01-01'`);
    await patient.get(MaintenanceService).step();
    await patient.get(MaintenanceService).step();
    expect(await countOf()).toBe(0);
    await patient.close();
    const eager = await application(daily, { scheduled: false, jitter: 0 });
    await eager.get(MaintenanceService).step();
    expect((await eager.get(JobsService).list(10)).map(({ trigger }) => trigger)).toEqual(['catch-up']);
    await eager.close();
    await query(url, 'DELETE FROM pgkeep.job_run');
  });

  it('runs where it is imported, and ends with the application', async () => {
    const keeping = await application(every, { scheduled: true });
    await until(async () => (await countOf()) > 0, 20_000, 'a run');
    await keeping.close();
    expect((await query(url, `SELECT FROM pgkeep.job_run WHERE state = 'running'`)).rows).toEqual([]);
  });
});
