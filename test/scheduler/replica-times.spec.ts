import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { clockShiftedBy } from '../support/clock-shifted-by.js';
import { createClinic, query } from '../support/clinic.js';
import { Replicas, scheduleIn } from '../support/replicas.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const LONG = 120_000;

describe('the due times of several services', () => {
  let own: ThrowAwayCluster;
  let replicas: Replicas;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterEach(() => replicas.kill());
  afterAll(() => own.cluster.destroy());

  it(
    'use the database’s clock, not their own',
    async () => {
      const url = await createClinic(own, 'clinic_clocks');
      replicas = new Replicas(url, { BACKUP_SCHEDULE: scheduleIn(12), JOB_LEASE_SECONDS: '3' });
      await Promise.all([
        replicas.start({ NODE_OPTIONS: clockShiftedBy(86_400 + 7) }),
        replicas.start({ NODE_OPTIONS: clockShiftedBy(-86_400 - 7) }),
      ]);
      const run = await replicas.untilRun(({ state }) => state === 'succeeded', 'a backup', LONG);
      const { rows } = await query(url, 'SELECT now() AS now');
      const ageMs = rows[0].now.getTime() - run.due_at.getTime();
      expect(ageMs).toBeGreaterThan(0);
      expect(ageMs).toBeLessThan(60_000);
      expect(run).toMatchObject({ trigger: 'schedule', losses: 0 });
      expect(run.started_at?.getTime()).toBeGreaterThanOrEqual(run.due_at.getTime());
      expect(await replicas.runs()).toHaveLength(1);
    },
    LONG,
  );

  it(
    'catch up a missed run once, and none from before the schedule existed',
    async () => {
      const url = await createClinic(own, 'clinic_missed');
      replicas = new Replicas(url, { BACKUP_SCHEDULE: '0 2 * * *' });
      const first = await replicas.start();
      await until(async () => await isScheduled(url), LONG, 'a schedule');
      await first.service.kill();
      expect(await replicas.runs()).toEqual([]);
      // As if the schedule existed for three days and no service had run.
      await query(url, `UPDATE pgkeep.job SET since = now() - interval '3 days'`);
      await Promise.all([replicas.start(), replicas.start()]);
      const run = await replicas.untilRun(({ state }) => state === 'succeeded', 'what was missed', LONG);
      expect(run).toMatchObject({ trigger: 'catch-up', fence: '1' });
      expect(run.due_at.toISOString()).toMatch(/T02:00:00\.000Z$/);
      expect(await replicas.runs()).toHaveLength(1);
    },
    LONG,
  );

  it(
    'report once that the schedule cannot run, and keep serving',
    async () => {
      const url = await createClinic(own, 'clinic_least');
      await query(
        url,
        `CREATE ROLE least LOGIN PASSWORD 'least-secret'; GRANT SELECT ON _prisma_migrations TO least`,
      );
      const least = Object.assign(new URL(url), { username: 'least', password: 'least-secret' }).href;
      replicas = new Replicas(least, { BACKUP_SCHEDULE: '* * * * * *', JOB_LEASE_SECONDS: '2' });
      const { service, url: base } = await replicas.start();
      await until(() => service.stderr.includes('Cannot run the schedule'), LONG, 'a warning');
      await until(async () => (await (await fetch(`${base}/ready`)).text()).includes('cannot run'), LONG);
      const warnings = service.stderr.split('\n').filter((line) => line.includes('Cannot run the schedule'));
      expect(warnings).toEqual([
        expect.stringContaining(
          'Cannot run the schedule: the database has no tables pgkeep.job and pgkeep.job_run. Run `pgkeep install`.',
        ),
      ]);
    },
    LONG,
  );
});

async function isScheduled(url: string): Promise<boolean> {
  const { rows } = await query(url, 'SELECT FROM pgkeep.job').catch(() => ({ rows: [] }));
  return rows.length > 0;
}
