import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { InstallService } from '../../src/install/install.service.js';
import { JobsService } from '../../src/jobs/jobs.service.js';
import type { Claim, JobRun } from '../../src/jobs/jobs.types.js';
import { performRun } from '../../src/jobs/perform-run.js';
import { openRooms } from '../support/app.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const LEASE_MS = 60_000;

describe('exactly-once runs', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let app: TestingModule;
  let jobs: JobsService;
  let databases = 0;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'template');
    app = await openRooms(url);
    await app.get(InstallService).install();
    await app.close();
  });
  beforeEach(async () => {
    databases += 1;
    url = await createDatabase(own, `jobs_${databases}`, 'template');
    app = await openRooms(url);
    jobs = app.get(JobsService);
    await jobs.register([{ name: 'backup', schedule: '0 2 * * * UTC' }]);
    await query(url, `UPDATE pgkeep.job SET since = '2026-01-01'`);
  });
  afterEach(() => app.close());
  afterAll(() => own.cluster.destroy());

  const claimOf = (holder: string, leaseMs = LEASE_MS): Claim => ({ job: 'backup', holder, leaseMs });
  const due = new Date('2026-02-07T02:00:00Z');
  const nextDue = new Date('2026-02-08T02:00:00Z');

  /** Expires a lease, as time would. */
  async function endLease({ id }: JobRun): Promise<void> {
    await query(url, `UPDATE pgkeep.job_run SET lease_expires_at = now() - interval '1 ms' WHERE id = $1`, [
      id,
    ]);
  }

  async function claimed(holder = 'one', at = due): Promise<JobRun> {
    const run = await jobs.claim(claimOf(holder), at, 'schedule');
    if (!run) throw new Error('not claimed');
    return run;
  }

  it('assign a due time to one of twenty processes', async () => {
    const claims = Array.from({ length: 20 }, (_, index) =>
      jobs.claim(claimOf(`holder ${index}`), due, 'schedule'),
    );
    const runs = (await Promise.all(claims)).filter((run) => run !== undefined);
    expect(runs).toMatchObject([{ dueAt: due.toISOString(), state: 'running', fence: 1, losses: 0 }]);
    expect(await jobs.list(10)).toHaveLength(1);
  });

  it('assign a manual run to one of twenty processes', async () => {
    const begun = await Promise.all(
      Array.from({ length: 20 }, (_, index) => jobs.begin(claimOf(`holder ${index}`), 'manual', {})),
    );
    expect(begun.filter((run) => run !== undefined)).toHaveLength(1);
  });

  it('are due by the database’s clock: neither early nor for times before the schedule existed', async () => {
    const { now } = await jobs.read();
    const future = new Date(now.getTime() + 60_000);
    expect(await jobs.claim(claimOf('a day ahead'), future, 'schedule')).toBeUndefined();
    expect(await jobs.claim(claimOf('one'), new Date('2025-12-31'), 'schedule')).toBeUndefined();
    expect(await jobs.claim({ ...claimOf('one'), job: 'unknown' }, due, 'schedule')).toBeUndefined();
    expect(await jobs.list(10)).toEqual([]);
  });

  it('never overlap; a due time during a run that succeeds is recorded as skipped', async () => {
    const run = await claimed();
    expect(await jobs.claim(claimOf('two'), nextDue, 'schedule')).toBeUndefined();
    expect(await jobs.begin(claimOf('two'), 'manual', {})).toBeUndefined();
    expect(await jobs.skipServed('backup', nextDue)).toBeUndefined();
    await jobs.finish(run, { state: 'succeeded', result: {} });
    await query(
      url,
      `UPDATE pgkeep.job_run SET started_at = '2026-02-08T01:59Z', finished_at = '2026-02-08T02:01Z'`,
    );
    expect(await jobs.skipServed('backup', nextDue)).toMatchObject({
      state: 'skipped',
      fence: null,
      result: { doneBy: run.id },
    });
    expect(await jobs.claim(claimOf('two'), nextDue, 'schedule')).toBeUndefined();
  });

  it('are taken over when the lease expires, and the old holder can change nothing any more', async () => {
    const run = await claimed();
    expect(await jobs.markLost('backup')).toBeUndefined();
    expect(await jobs.renew(run, LEASE_MS)).toBe(true);
    await endLease(run);
    expect(await jobs.renew(run, LEASE_MS)).toBe(false);
    expect(await jobs.markLost('backup')).toMatchObject({ id: run.id, state: 'lost', losses: 1 });
    const [taken, second] = await Promise.all([
      jobs.takeOver(claimOf('two'), due),
      jobs.takeOver(claimOf('three'), due),
    ]);
    const winner = taken ?? second;
    expect([taken, second].filter((found) => found !== undefined)).toHaveLength(1);
    expect(winner).toMatchObject({ id: run.id, state: 'running', fence: 2, error: null });
    // The run that took over.
    expect(await jobs.renew(run, LEASE_MS)).toBe(false);
    expect(await jobs.finish(run, { state: 'succeeded' })).toBe(false);
    expect(await jobs.find(run.id)).toMatchObject({ state: 'running', fence: 2 });
  });

  it('are not taken over after a later due time, nor after three lost leases', async () => {
    const run = await claimed();
    await endLease(run);
    await jobs.markLost('backup');
    expect(await jobs.takeOver(claimOf('two'), nextDue)).toBeUndefined();
    for (const losses of [2, 3]) {
      const again = await jobs.takeOver(claimOf('two'), due);
      expect(again).toMatchObject({ fence: losses });
      if (again) await endLease(again);
      expect(await jobs.markLost('backup')).toMatchObject({ losses });
    }
    expect(await jobs.takeOver(claimOf('two'), due)).toBeUndefined();
  });

  it('are retried if they failed because the server was restarted', async () => {
    const run = await claimed();
    await query(url, `UPDATE pgkeep.job_run SET started_at = pg_postmaster_start_time() - interval '1 s'`);
    await jobs.finish(run, { state: 'failed', error: { code: 'BACKUP_FAILED', message: 'gone' } });
    expect(await jobs.find(run.id)).toMatchObject({ state: 'interrupted', losses: 1 });
    expect(await jobs.takeOver(claimOf('two'), due)).toMatchObject({ id: run.id, fence: 2 });
    const again = await jobs.find(run.id);
    await jobs.finish(again, { state: 'failed', error: { code: 'BACKUP_FAILED', message: 'disk' } });
    expect(await jobs.find(run.id)).toMatchObject({ state: 'failed', losses: 1 });
  });

  it('keep the newest five hundred records', async () => {
    await query(
      url,
      `INSERT INTO pgkeep.job_run (job, due_at, trigger, state, fence)
       SELECT 'backup', '2026-01-01'::timestamptz + i * interval '1 minute', 'schedule', 'succeeded', i
         FROM generate_series(1, 600) i`,
    );
    const run = await claimed();
    expect(run.fence).toBe(601);
    await jobs.finish(run, { state: 'succeeded' });
    const { rows } = await query(
      url,
      'SELECT count(*)::int AS n, min(fence)::int AS oldest FROM pgkeep.job_run',
    );
    expect(rows).toEqual([{ n: 500, oldest: 102 }]);
  });

  it('renew the lease while they work, and end when it is lost', async () => {
    const run = await claimed('one');
    const short = { leaseMs: 300, limitMs: 60_000, stop: new AbortController().signal };
    await jobs.renew(run, short.leaseMs);
    let signal: AbortSignal | undefined;
    const performing = performRun(jobs, run, short, async (context) => {
      signal = context.signal;
      await new Promise((_resolve, reject) => {
        context.signal.addEventListener('abort', () => reject(new Error('ended')));
      });
      return {};
    });
    // After three lease periods this run still holds it.
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(signal?.aborted).toBe(false);
    await endLease(run);
    expect(await performing).toMatchObject({
      state: 'interrupted',
      countsAsLoss: true,
      error: {
        code: 'JOB_LEASE_LOST',
        message:
          'Job backup was stopped: one did not renew its lease in time. Another replica may have taken over the run.',
      },
    });
    expect(await jobs.find(run.id)).toMatchObject({ state: 'interrupted', losses: 1 });
  });

  it('end at their time limit', async () => {
    const run = await claimed();
    const holding = { leaseMs: LEASE_MS, limitMs: 50, stop: new AbortController().signal };
    await performRun(jobs, run, holding, async ({ signal }) => {
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('ended')));
      });
      return {};
    });
    expect(await jobs.find(run.id)).toMatchObject({
      state: 'failed',
      losses: 0,
      error: { code: 'JOB_TIME_LIMIT' },
    });
  });

  it('report what is missing: the schema, or a grant', async () => {
    const bare = await openRooms(await createDatabase(own, `bare_${databases}`));
    try {
      expect(await bare.get(JobsService).read()).toMatchObject({ ability: { kind: 'not-installed' } });
      await expect(bare.get(JobsService).list(10)).rejects.toMatchObject({
        code: 'NOT_INSTALLED',
        message: 'Cannot read the runs: the database has no tables pgkeep.job and pgkeep.job_run.',
        hint: 'Run `pgkeep install`.',
      });
    } finally {
      await bare.close();
    }
    await query(
      url,
      `DO $$ BEGIN CREATE ROLE "the least" LOGIN PASSWORD 'least'; EXCEPTION WHEN duplicate_object THEN END $$`,
    );
    const least = await openRooms(
      Object.assign(new URL(url), { username: 'the least', password: 'least' }).href,
    );
    try {
      expect(await least.get(JobsService).read()).toMatchObject({
        ability: { kind: 'denied', role: 'the least' },
      });
      expect(await least.get(JobsService).list(10)).toEqual([]);
      await expect(least.get(JobsService).begin(claimOf('one'), 'manual', {})).rejects.toMatchObject({
        code: 'DATABASE_PERMISSION_DENIED',
        message: 'Cannot start a run: role "the least" may not write pgkeep.job and pgkeep.job_run.',
        hint: 'Run as the owner of the schema: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.job, pgkeep.job_run TO "the least";',
      });
    } finally {
      await least.close();
    }
  });

  it('need no session: each statement can use another connection', async () => {
    const run = await claimed();
    const connections = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'pgkeep'`;
    // All pooled connections are gone; the claim, its lease and its end are rows.
    await query(own.cluster.url('postgres'), connections, [`jobs_${databases}`]);
    await until(async () => await jobs.renew(run, LEASE_MS).catch(() => false));
    await query(own.cluster.url('postgres'), connections, [`jobs_${databases}`]);
    await until(async () => await jobs.finish(run, { state: 'succeeded' }).catch(() => false));
    const { rows } = await query(url, `SELECT count(*)::int AS n FROM pg_locks WHERE locktype = 'advisory'`);
    expect(rows).toEqual([{ n: 0 }]);
  });
});
