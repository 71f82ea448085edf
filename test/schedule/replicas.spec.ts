import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { isHeldBy, Replicas, type RunRow } from '../support/replicas.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { clockShiftedBy } from '../support/clock-shifted-by.js';
import { until } from '../support/until.js';

const LONG = 120_000;

/** Due once a minute, for the first time when the replicas are up. */
function scheduleIn(seconds: number): string {
  return `${new Date(Date.now() + seconds * 1000).getUTCSeconds()} * * * * *`;
}

describe('several services on one database', () => {
  let own: ThrowAwayCluster;
  let replicas: Replicas;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'large');
    // Seconds of compression: long enough to be caught in the act.
    await query(
      url,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 1000000) i`,
    );
  });
  afterEach(() => replicas.kill());
  afterAll(() => own.cluster.destroy());

  async function large(): Promise<string> {
    databases += 1;
    return await createDatabase(own, `large_${databases}`, 'large');
  }

  /** Whether an archive is being written; what else is stored is written aside as well. */
  function isDumping(): boolean {
    return readdirSync(replicas.directory).some((file) => file.endsWith('.dump.part'));
  }

  /**
   * Files in the storage that are not of this run's backup. The probe of the storage's clock, of one that was killed in
   * that instant, is cleared when it is a day old.
   */
  function leftBeside({ result }: RunRow): string[] {
    const name = `${String(result?.['name'])}.`;
    const isOther = /\.known-backups\.json|^\.?clock-.*\.probe/;
    return readdirSync(replicas.directory).filter((file) => !file.startsWith(name) && !isOther.test(file));
  }

  it(
    'make one backup at one due second, and prune after it',
    async () => {
      const url = await createClinic(own, 'clinic');
      replicas = new Replicas(url, { BACKUP_SCHEDULE: scheduleIn(10) });
      await Promise.all([replicas.start(), replicas.start(), replicas.start()]);
      const run = await replicas.untilRun(({ state }) => state === 'succeeded', 'a backup');
      expect(run).toMatchObject({ trigger: 'schedule', fence: '1', losses: 0, error: null });
      await until(async () => (await replicas.runs('prune')).some(({ state }) => state === 'succeeded'));
      expect(await replicas.runs()).toHaveLength(1);
      expect(await replicas.runs('prune')).toHaveLength(1);
      await replicas.kill();
      const shown = await runCli(['jobs'], replicas.settings);
      expect(shown.stdout).toMatch(/^job +schedule +next due \(UTC\)\nbackup +\d+ \* \* \* \* \* UTC +20/);
      expect(shown.stdout).toContain(`schedule  succeeded`);
      expect(shown.stdout).toContain(String(run.result?.['name']));
      const { stdout } = await runCli(['backup', 'list', '--json'], replicas.settings);
      expect(JSON.parse(stdout).backups).toEqual([
        expect.objectContaining({ name: run.result?.['name'], reason: 'scheduled' }),
      ]);
    },
    LONG,
  );

  it(
    'take over from one that was killed, once its lease has ended',
    async () => {
      replicas = new Replicas(await large(), { BACKUP_SCHEDULE: scheduleIn(10), JOB_LEASE_SECONDS: '3' });
      const [one, two] = await Promise.all([replicas.start(), replicas.start()]);
      const run = await replicas.untilRun(({ state }) => state === 'running', 'a run', LONG);
      const [holder, other] = isHeldBy(run, one.service) ? [one, two] : [two, one];
      await holder.service.kill();
      const done = await replicas.untilRun(({ state }) => state === 'succeeded', 'a run that was taken over');
      expect(done).toMatchObject({ id: run.id, fence: '2', losses: 1 });
      expect(isHeldBy(done, other.service)).toBe(true);
      const { stdout } = await runCli(['backup', 'list', '--json'], replicas.settings);
      expect(JSON.parse(stdout).backups).toHaveLength(1);
      expect(leftBeside(done)).toEqual([]);
    },
    LONG,
  );

  it(
    'publish nothing of one that was stopped, overtaken and let go on',
    async () => {
      replicas = new Replicas(await large(), { BACKUP_SCHEDULE: scheduleIn(10), JOB_LEASE_SECONDS: '3' });
      const [one, two] = await Promise.all([replicas.start(), replicas.start()]);
      const run = await replicas.untilRun(({ state }) => state === 'running', 'a run', LONG);
      const [holder, other] = isHeldBy(run, one.service) ? [one, two] : [two, one];
      await until(() => isDumping(), 10_000, 'a dump');
      holder.service.signal('SIGSTOP');
      const done = await replicas.untilRun(({ state }) => state === 'succeeded', 'a run that was taken over');
      expect(isHeldBy(done, other.service)).toBe(true);
      holder.service.signal('SIGCONT');
      await until(
        () => holder.service.stderr.includes('could not renew its lease'),
        10_000,
        'the one that lost it',
      );
      await until(() => leftBeside(done).length === 0, 10_000, 'nothing left of it');
      expect(await replicas.runs()).toHaveLength(1);
      const { stdout } = await runCli(['backup', 'list', '--json'], replicas.settings);
      expect(JSON.parse(stdout).backups.map(({ name }: { name: string }) => name)).toEqual([
        done.result?.['name'],
      ]);
    },
    LONG,
  );

  it(
    'take over at once from one that is stopped in order',
    async () => {
      replicas = new Replicas(await large(), { BACKUP_SCHEDULE: scheduleIn(10), JOB_LEASE_SECONDS: '600' });
      const one = await replicas.start();
      const run = await replicas.untilRun(({ state }) => state === 'running', 'a run', LONG);
      one.service.signal('SIGTERM');
      expect(await one.service.end()).toEqual({ code: null, signal: 'SIGTERM' });
      expect(await replicas.runs()).toMatchObject([
        { id: run.id, state: 'interrupted', losses: 0, error: { code: 'INTERRUPTED' } },
      ]);
      expect(readdirSync(replicas.directory)).toEqual([]);
      await replicas.start();
      const done = await replicas.untilRun(({ state }) => state === 'succeeded', 'a run that was taken over');
      expect(done).toMatchObject({ id: run.id, fence: '2', losses: 0 });
    },
    LONG,
  );

  it(
    'go by the database’s clock, whatever their own says',
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
    'outlive a restart of the database in the middle of a run: it is made again',
    async () => {
      replicas = new Replicas(await large(), { BACKUP_SCHEDULE: scheduleIn(10), JOB_LEASE_SECONDS: '5' });
      const { service } = await replicas.start();
      const run = await replicas.untilRun(({ state }) => state === 'running', 'a run', LONG);
      await until(() => isDumping(), LONG, 'a dump');
      await own.cluster.stop();
      await own.cluster.startServer();
      const done = await replicas.untilRun(({ state }) => state === 'succeeded', 'a run that was made again');
      expect(done).toMatchObject({ id: run.id, fence: '2', losses: 1 });
      expect(leftBeside(done)).toEqual([]);
      expect(service.isRunning).toBe(true);
    },
    LONG,
  );

  it(
    'catch up what was missed once, and nothing from before the schedule',
    async () => {
      const url = await createClinic(own, 'clinic_missed');
      replicas = new Replicas(url, { BACKUP_SCHEDULE: '0 2 * * *' });
      const first = await replicas.start();
      await until(async () => await isScheduled(url), LONG, 'a schedule');
      await first.service.kill();
      expect(await replicas.runs()).toEqual([]);
      // As if it had been scheduled, and everything had been down, for three days.
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
    'say once that the schedule cannot run, and go on serving',
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
