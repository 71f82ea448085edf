import { readdirSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { isHeldBy, Replicas, scheduleIn, type RunRow } from '../support/replicas.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const LONG = 120_000;

describe('several services on one database', () => {
  let own: ThrowAwayCluster;
  let replicas: Replicas;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'large');
    // Takes seconds to compress, so that a test can interrupt it.
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

  /** Whether an archive is being written; other files are written to temporary names as well. */
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
      // Three services start at the same time, and one installs the schema, before the first due second counts.
      replicas = new Replicas(url, { BACKUP_SCHEDULE: scheduleIn(20) });
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
    'take over from a killed one once its lease has expired',
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
    'publish nothing of a paused one that continues after a take-over',
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
        () => holder.service.stderr.includes('did not renew its lease'),
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
    'take over immediately from one that shuts down',
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
    'survive a restart of the database during a run, which is retried',
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
});
