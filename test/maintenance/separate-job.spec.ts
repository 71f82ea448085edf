import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { JobRun } from '../../src/jobs/jobs.types.js';
import { performSeparately } from '../../src/maintenance/separate-job.js';
import { createDatabase, query } from '../support/clinic.js';
import type { PgkeepProcess } from '../support/pgkeep-process.js';
import { processTree, suspend } from '../support/process-tree.js';
import { ADMIN, Replicas, type RunRow } from '../support/replicas.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

const LONG = 120_000;
const OFF = {
  BACKUP_SCHEDULE: 'off',
  RESTORE_TEST_SCHEDULE: 'off',
  PERMANENT_DELETE_SCHEDULE: 'off',
  JOB_LEASE_SECONDS: '3',
  READINESS_GATES: 'environment=warn,backupConfig=warn,backups=warn',
};

/** The processes of jobs that a process has started, by their command lines. */
function jobProcesses(parent: number): { pid: number; commandLine: string }[] {
  return processTree(parent)
    .map((pid) => ({ pid, commandLine: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
    .filter(({ commandLine }) => commandLine.includes('job-process.js'));
}

function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    // It ended meanwhile.
    return '';
  }
}

describe('a job of the service, in its own process', () => {
  let own: ThrowAwayCluster;
  let replicas: Replicas;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'guarded');
    // Takes seconds to compress, so that a test can interrupt it.
    await query(
      url,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 600000) i`,
    );
  });
  afterEach(async () => {
    await replicas.kill();
    await query(url, 'DELETE FROM pgkeep.job_run');
  });
  afterAll(() => own.cluster.destroy());

  /** Starts a job. @returns the id of its run. */
  async function post(address: string, route: string): Promise<string> {
    let location: string | null = null;
    await until(async () => {
      const headers = { authorization: `Bearer ${ADMIN}` };
      // During its first start the service installs its schema.
      location = (await fetch(`${address}/admin/${route}`, { method: 'POST', headers })).headers.get(
        'location',
      );
      return location !== null;
    });
    return path.basename(String(location));
  }

  async function start(environment = {}): Promise<{ service: PgkeepProcess; address: string }> {
    replicas = new Replicas(url, OFF);
    const { service, url: address } = await replicas.start(environment);
    return { service, address };
  }

  /** Waits for a process that does the work: it has begun to write an archive. */
  async function dumping({ pid }: PgkeepProcess): Promise<{ pid: number; commandLine: string }> {
    await until(() => readdirSync(replicas.directory).some((file) => file.endsWith('.dump.part')), LONG);
    const [found] = jobProcesses(pid);
    if (!found) throw new Error('no process of a job');
    return found;
  }

  const untilState = (state: string): Promise<RunRow> =>
    replicas.untilRun((run) => run.state === state, `a run that is ${state}`, LONG);

  it(
    'shows no secret, and is what the system ends first when memory is short',
    async () => {
      const { service, address } = await start();
      await post(address, 'backups');
      const { pid, commandLine } = await dumping(service);
      expect(commandLine).toBe(`${process.execPath} ${path.resolve('dist/service/job-process.js')}`);
      expect(readProc(pid, 'oom_score_adj').trim()).toBe('1000');
      await untilState('succeeded');
      await until(() => jobProcesses(service.pid).length === 0);
      // Another backup and a restore test at the same time: a process each.
      const begun = [await post(address, 'restore-tests'), await post(address, 'backups')];
      await until(() => jobProcesses(service.pid).length === 2);
      await until(async () => {
        const runs = [...(await replicas.runs('restore-test')), ...(await replicas.runs())];
        return begun.every((id) => runs.some((run) => run.id === id && run.state === 'succeeded'));
      }, LONG);
    },
    LONG,
  );

  it(
    'is tried again when it was killed, and the service answers all the time',
    async () => {
      const { service, address } = await start();
      const id = await post(address, 'backups');
      process.kill((await dumping(service)).pid, 'SIGKILL');
      const run = await untilState('interrupted');
      expect(run).toMatchObject({
        id,
        fence: '1',
        losses: 1,
        error: {
          code: 'JOB_PROCESS_ENDED',
          message: 'The process of job backup ended by SIGKILL before its work was done.',
          hint: 'The system kills a process when memory is short (see its log), and the service kills one that does not answer for a minute.',
        },
      });
      expect((await fetch(`${address}/live`)).status).toBe(200);
      const done = await untilState('succeeded');
      expect(done).toMatchObject({ id, fence: '2', losses: 1 });
      expect(readdirSync(replicas.directory).filter((file) => file.endsWith('.part'))).toEqual([]);
    },
    LONG,
  );

  it(
    'takes nothing along when it runs out of memory',
    async () => {
      const { service, address } = await start({
        NODE_OPTIONS: `--max-old-space-size=120 --import ${path.resolve('test/support/use-up-memory.mjs')}`,
      });
      await post(address, 'backups');
      const { error } = await untilState('interrupted');
      expect(error).toEqual({
        code: 'JOB_PROCESS_ENDED',
        message: 'The process of job backup ended by SIGABRT before its work was done.',
        hint: 'It reached the limit of Node.js’s memory, as the log shows: NODE_OPTIONS=--max-old-space-size=… sets another.',
      });
      expect(service.stderr).toContain('JavaScript heap out of memory');
      expect(service.isRunning).toBe(true);
      expect((await fetch(`${address}/live`)).status).toBe(200);
    },
    LONG,
  );

  it(
    'ends when the service was killed, and leaves no half backup',
    async () => {
      const { service, address } = await start();
      await post(address, 'backups');
      const { pid } = await dumping(service);
      await service.kill();
      await until(() => readProc(pid, 'cmdline') === '', 20_000, 'the end of the process');
      expect(readdirSync(replicas.directory)).toEqual([]);
      expect(await replicas.runs()).toMatchObject([{ state: 'running', fence: '1' }]);
    },
    LONG,
  );

  it(
    'is killed when it does not answer',
    async () => {
      replicas = new Replicas(url, OFF);
      const { settings } = replicas;
      const run: JobRun = {
        id: '1',
        job: 'backup',
        dueAt: '',
        trigger: 'manual',
        state: 'running',
        fence: 1,
        holder: null,
        startedAt: null,
        finishedAt: null,
        leaseExpiresAt: null,
        losses: 0,
        parameters: {},
        result: null,
        error: null,
      };
      const context = { run, signal: new AbortController().signal, requireLease: async () => undefined };
      const work = { job: 'backup', environment: settings, context, silenceMs: 6000 } as const;
      const ended = Promise.allSettled([performSeparately(work)]);
      await until(() => jobProcesses(process.pid).length === 1);
      suspend(jobProcesses(process.pid).map(({ pid }) => pid));
      const message = 'The process of job backup ended by SIGKILL before its work was done.';
      expect(await ended).toMatchObject([
        { status: 'rejected', reason: { code: 'JOB_PROCESS_ENDED', message } },
      ]);
    },
    LONG,
  );
});
