import { describe, expect, it } from '@jest/globals';
import type { Environment } from '../../../src/config/read-settings.js';
import type { JobRun } from '../../../src/jobs/jobs.types.js';
import type { BackupFacts, JobFacts, StoredBackups } from '../../../src/readiness/backup-watch.js';
import { backups } from '../../../src/readiness/checks/backups.js';
import { contextOf, NOW } from '../../support/checks.js';

const HOUR_MS = 3_600_000;
const hoursAgo = (hours: number): Date => new Date(NOW.getTime() - hours * HOUR_MS);

const STORED: StoredBackups = {
  finishedAt: [hoursAgo(9), ...Array.from({ length: 13 }, (_, day) => hoursAgo(33 + day * 24))],
  places: ['/srv/backups', 's3://clinic'],
  unreachable: [],
};
const JOBS: JobFacts = {
  ability: { kind: 'able' },
  registered: [{ name: 'backup', schedule: '0 2 * * * UTC', since: hoursAgo(1000) }],
  runs: [],
  askedAt: NOW,
};
const FACTS: BackupFacts = {
  storage: { value: STORED },
  jobs: { value: JOBS },
  periodMs: 24 * HOUR_MS,
  nextDue: new Date('2026-06-08T02:00:00Z'),
};
const RUN: JobRun = {
  id: 'a',
  job: 'backup',
  dueAt: hoursAgo(10).toISOString(),
  trigger: 'schedule',
  state: 'succeeded',
  fence: 1,
  holder: '7@one',
  startedAt: null,
  finishedAt: null,
  leaseExpiresAt: null,
  losses: 0,
  parameters: {},
  result: null,
  error: null,
};
const FAILED: JobRun = { ...RUN, state: 'failed', error: { code: 'STORAGE_FULL', message: 'Disk full.' } };

function check(facts: Partial<BackupFacts> | undefined, environment: Environment = {}): unknown {
  return backups.judge(contextOf({ backups: facts && { ...FACTS, ...facts } }, environment));
}

const jobs = (facts: Partial<JobFacts>): Partial<BackupFacts> => ({ jobs: { value: { ...JOBS, ...facts } } });
const stored = (facts: Partial<StoredBackups>): Partial<BackupFacts> => ({
  storage: { value: { ...STORED, ...facts } },
});

describe('backups', () => {
  it('reports how old the newest is, and how many are in each place', () => {
    expect(check({})).toEqual({ ok: true, details: 'newest backup 9 hours old, 14 kept in 2 places' });
    expect(check(stored({ finishedAt: [hoursAgo(0.7)], places: ['/srv'] }))).toEqual({
      ok: true,
      details: 'newest backup 42 minutes old, 1 kept in 1 place',
    });
  });

  it.each<[string, Partial<BackupFacts> | undefined, string, string]>([
    [
      'an old one',
      stored({ finishedAt: [hoursAgo(37)] }),
      'BACKUP_OLD',
      'Newest backup is 37 hours old - one is due every 24 hours',
    ],
    [
      'none',
      stored({ finishedAt: [], places: [] }),
      'BACKUP_MISSING',
      'There is no backup - one is due every 24 hours',
    ],
    [
      'none but one of the future',
      stored({ finishedAt: [hoursAgo(-24)] }),
      'BACKUP_MISSING',
      'There is no backup - one is due every 24 hours',
    ],
    [
      'a storage that fails',
      { storage: { reason: 'no answer within 30000 ms' } },
      'BACKUP_STORAGE_UNREACHABLE',
      'The backup storage does not answer: no answer within 30000 ms',
    ],
    [
      'one place of several that fails',
      stored({ unreachable: [{ location: 's3://clinic', message: 'access denied' }] }),
      'BACKUP_STORAGE_UNREACHABLE',
      'The backup storage s3://clinic does not answer: access denied',
    ],
    [
      'a storage that has not answered yet',
      undefined,
      'BACKUP_STORAGE_UNREACHABLE',
      'The backup storage has not answered yet',
    ],
    [
      'no schema',
      jobs({ ability: { kind: 'not-installed' }, registered: [] }),
      'JOBS_UNAVAILABLE',
      'The backup schedule cannot run: the database has no tables pgkeep.job and pgkeep.job_run. Run `pgkeep install`.',
    ],
    [
      'a role that may not write',
      jobs({ ability: { kind: 'denied', role: 'app' } }),
      'JOBS_UNAVAILABLE',
      'The backup schedule cannot run: role "app" may not write pgkeep.job and pgkeep.job_run. Run as the owner of the schema: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.job, pgkeep.job_run TO "app";',
    ],
    [
      'no service that runs the schedule',
      jobs({ registered: [] }),
      'JOBS_UNAVAILABLE',
      'No service runs the backup schedule: start the service with BACKUP_ENABLED=true, or set BACKUP_SCHEDULE=off if something else makes the backups',
    ],
    [
      'a run that was not taken over',
      jobs({ runs: [{ ...RUN, state: 'running', leaseExpiresAt: hoursAgo(3).toISOString() }] }),
      'JOB_STUCK',
      'Job backup is stuck: 7@one stopped renewing its lease 3 hours ago, and no replica has taken over the run',
    ],
    [
      'three failures in a row',
      jobs({ runs: [FAILED, { ...RUN, state: 'skipped' }, FAILED, FAILED, RUN] }),
      'JOB_STUCK',
      'Job backup failed 3 times in a row, most recently with: Disk full.',
    ],
  ])('refuses %s in production, and reports it elsewhere', (_what, facts, code, text) => {
    expect(check(facts)).toEqual({ ok: false, code, details: text });
    expect(check(facts, { NODE_ENV: 'staging' })).toMatchObject({
      ok: true,
      details: expect.stringContaining(`production would refuse: ${text}`),
    });
  });

  it('gives a new schedule one and a half periods', () => {
    const none = { storage: { value: { finishedAt: [], places: [], unreachable: [] } } };
    const since = (hours: number): Partial<BackupFacts> =>
      jobs({ registered: [{ name: 'backup', schedule: '', since: hoursAgo(hours) }] });
    expect(check({ ...none, ...since(36) })).toEqual({
      ok: true,
      details: 'no backup yet, the first is due 2026-06-08T02:00:00.000Z',
    });
    expect(check({ ...none, ...since(37) })).toMatchObject({ ok: false, code: 'BACKUP_MISSING' });
  });

  it('ignores two failures, and those before a success', () => {
    expect(check(jobs({ runs: [FAILED, FAILED, RUN, FAILED] }))).toMatchObject({ ok: true });
    expect(check(jobs({ runs: [RUN, FAILED, FAILED, FAILED] }))).toMatchObject({ ok: true });
  });

  it('only checks the age if something else makes the backups', () => {
    const unregistered = {
      ...jobs({ ability: { kind: 'not-installed' }, registered: [] }),
      nextDue: undefined,
    };
    expect(check(unregistered, { BACKUP_SCHEDULE: 'off' })).toMatchObject({ ok: true });
  });

  it('reports nothing while backups are off, which backupConfig reports', () => {
    expect(check({}, { BACKUP_ENABLED: 'false' })).toEqual({ ok: true, details: 'backups off' });
  });
});
