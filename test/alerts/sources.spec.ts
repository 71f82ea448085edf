import { describe, expect, it } from '@jest/globals';
import { type AlertedEntry, auditLogFindings } from '../../src/alerts/sources/audit-log-findings.js';
import { deliveryFindings } from '../../src/alerts/sources/delivery-findings.js';
import { driftFindings } from '../../src/alerts/sources/drift-findings.js';
import { jobFindings } from '../../src/alerts/sources/job-findings.js';
import { readinessFindings } from '../../src/alerts/sources/readiness-findings.js';
import { restoreTestFindings } from '../../src/alerts/sources/restore-test-findings.js';
import type { JobRun } from '../../src/jobs/jobs.types.js';
import type { JobView } from '../../src/maintenance/maintenance.types.js';

const NOW = new Date('2026-11-27T06:00:00Z');

function runOf(changes: Partial<JobRun> = {}): JobRun {
  return {
    id: '0f8fad5b-d9cb-469f-a165-70867728950e',
    job: 'backup',
    dueAt: '2026-11-27T02:00:00.000Z',
    trigger: 'schedule',
    state: 'succeeded',
    fence: 1,
    holder: '17@one',
    startedAt: '2026-11-27T02:00:01.000Z',
    finishedAt: '2026-11-27T02:03:00.000Z',
    leaseExpiresAt: null,
    losses: 0,
    parameters: {},
    result: {},
    error: null,
    ...changes,
  };
}

const failed = runOf({
  state: 'failed',
  error: {
    code: 'BACKUP_FAILED',
    message: 'pg_dump failed: DETAIL: Key (email)=(ana@example.org) already exists.',
    hint: 'Read the log of the server.',
  },
});

function jobOf(changes: Partial<JobView> = {}): JobView {
  return {
    name: 'backup',
    schedule: '0 2 * * *',
    after: null,
    nextDueAt: null,
    overdueSince: null,
    registeredAt: null,
    running: null,
    runs: [],
    ...changes,
  };
}

const findJobs = (job: JobView, enabled = true) =>
  jobFindings({ enabled, timeZone: 'UTC', jobs: [job] }, NOW).map(
    ({ code, severity, subject, text }) => `${severity} ${code}:${subject} ${text}`,
  );

describe('alerts about jobs', () => {
  it('report a failed run without the values of rows, and how to start it again', () => {
    expect(jobFindings({ enabled: true, timeZone: 'UTC', jobs: [jobOf({ runs: [failed] })] }, NOW)).toEqual([
      {
        code: 'JOB_FAILED',
        severity: 'critical',
        subject: 'backup',
        text: 'Job backup failed at 2026-11-27 02:03 UTC: pg_dump failed: DETAIL: Key (email)=(…) already exists. [BACKUP_FAILED]',
        remedy: 'Read the log of the server. Start it again with `pgkeep backup`.',
        sql: null,
      },
    ]);
    const cleanup = jobOf({ name: 'cleanup', runs: [{ ...failed, job: 'cleanup' }] });
    expect(findJobs(cleanup)[0]).toMatch(/^warning JOB_FAILED:cleanup /);
  });

  it('report nothing of a run that succeeded since, of one that is running, of one that was skipped, nor with backups off', () => {
    expect(findJobs(jobOf({ runs: [runOf(), failed] }))).toEqual([]);
    expect(findJobs(jobOf({ runs: [runOf({ state: 'skipped' }), runOf(), failed] }))).toEqual([]);
    expect(findJobs(jobOf({ runs: [failed] }), false)).toEqual([]);
    // It still failed while the next try runs.
    expect(findJobs(jobOf({ runs: [runOf({ state: 'running' }), failed] }))).toHaveLength(1);
  });

  it('report a run that did not begin, and one whose process stopped', () => {
    expect(findJobs(jobOf({ overdueSince: '2026-11-27T05:20:00.000Z' }))).toEqual([
      'critical JOB_STUCK:backup Job backup is overdue since 2026-11-27 05:20 UTC: no service began it',
    ]);
    expect(findJobs(jobOf({ overdueSince: '2026-11-27T05:40:00.000Z' }))).toEqual([]);
    const stopped = runOf({ state: 'running', leaseExpiresAt: '2026-11-27T05:00:00.000Z' });
    expect(findJobs(jobOf({ name: 'prune', runs: [stopped] }))).toEqual([
      'warning JOB_STUCK:prune Job prune was stopped: 17@one has not renewed its lease since 2026-11-27 05:00 UTC, and no replica took over',
    ]);
  });
});

describe('alerts about /ready', () => {
  const verdictOf = (checks: Parameters<typeof readinessFindings>[0]['checks'], status = 'not_ready') =>
    readinessFindings({ status: status === 'ready' ? 'ready' : 'not_ready', checks }).map(
      ({ code, severity, subject, text }) => `${severity} ${code}:${subject} ${text}`,
    );

  it('are critical where the check blocks, and a warning where its gate only warns', () => {
    const pending = {
      ok: false,
      code: 'MIGRATIONS_PENDING',
      details: 'Migration issues: 1 pending',
    } as const;
    expect(
      verdictOf({
        environment: { ok: true, details: 'production' },
        migrations: { ...pending, gate: 'enforce' },
        redis: { ok: false, details: 'no answer', gate: 'warn' },
        other: { ok: false, details: 'was never ready', gate: 'latch' },
      }),
    ).toEqual([
      'critical MIGRATIONS_PENDING:migrations /ready, migrations: Migration issues: 1 pending',
      'warning CHECK_FAILED:redis /ready, redis: no answer',
      'critical CHECK_FAILED:other /ready, other: was never ready',
    ]);
    expect(verdictOf({ other: { ok: false, details: 'x', gate: 'latch' } }, 'ready')).toEqual([
      'warning CHECK_FAILED:other /ready, other: x',
    ]);
  });

  it('name one of several checks that know nothing because the database does not answer', () => {
    const unknown = {
      ok: false,
      code: 'DATABASE_UNREACHABLE',
      details: 'Not known: refused',
      gate: 'enforce',
    } as const;
    expect(
      verdictOf({
        database: { ...unknown, details: 'Database unreachable: refused' },
        environment: unknown,
        migrations: unknown,
        backups: { ok: false, code: 'BACKUP_MISSING', details: 'no backup', gate: 'warn' },
      }),
    ).toEqual([
      'critical DATABASE_UNREACHABLE:database /ready, database: Database unreachable: refused',
      'warning BACKUP_MISSING:backups /ready, backups: no backup',
    ]);
  });

  it('say what to do, without links', () => {
    const findings = readinessFindings({
      status: 'not_ready',
      code: 'EVALUATION_STALE',
      checks: { policy: { ok: false, code: 'POLICY_MISSING', details: 'x', gate: 'enforce' } },
    });
    expect(findings.map(({ code }) => code)).toEqual(['POLICY_MISSING', 'EVALUATION_STALE']);
    for (const { remedy } of findings) expect(remedy).not.toMatch(/\]\(/);
  });
});

describe('alerts about restore tests, drift and receivers', () => {
  it('report the newest restore test if it failed', () => {
    const newest = { backup: 'clinic_1', verdict: 'failed', finishedAt: NOW } as const;
    expect(restoreTestFindings({ newest, newestPassed: undefined })).toMatchObject([
      {
        code: 'RESTORE_TEST_FAILED',
        severity: 'critical',
        text: 'The restore test of clinic_1 failed at 2026-11-27 06:00 UTC',
      },
    ]);
    const passed = { ...newest, verdict: 'passed' } as const;
    expect(restoreTestFindings({ newest: passed, newestPassed: passed })).toEqual([]);
    expect(restoreTestFindings(undefined)).toEqual([]);
  });

  it('report what differs from the last deploy', () => {
    const recorded = { id: '1', recordedAt: '', action: 'deploy', migrations: [] };
    const object = {
      section: 'columns',
      home: 'children',
      object: 'column nickname',
      change: 'added',
      was: null,
      is: '',
    } as const;
    const look = {
      kind: 'compared',
      recorded,
      objects: [object],
      appliedSince: [],
      goneSince: [],
      digests: {},
    } as const;
    expect(driftFindings({ look: { value: look }, unenforced: [] })).toMatchObject([
      {
        code: 'DRIFT',
        severity: 'warning',
        text: '1 object differs from what the last deploy left: children column nickname (added)',
      },
    ]);
    expect(driftFindings({ look: { value: { ...look, objects: [] } }, unenforced: [] })).toEqual([]);
    expect(driftFindings({ look: { reason: 'no answer' }, unenforced: [] })).toEqual([]);
    expect(driftFindings(undefined)).toEqual([]);
  });

  it('report a receiver that takes nothing', () => {
    expect(
      deliveryFindings([
        { receiver: 'slack', due: 3, failed: 1, error: 'slack answered with status 404.' },
        { receiver: 'mail', due: 1, failed: 0, error: null },
      ]).map(({ subject, text }) => `${subject}: ${text}`),
    ).toEqual([
      'slack: slack takes no alerts: 3 messages for it wait, 1 message was given up. slack answered with status 404.',
      'mail: mail takes no alerts: 1 message for it waits',
    ]);
  });
});

describe('alerts about the audit log', () => {
  const entryOf = (action: string, seq: number, details: object): AlertedEntry => {
    return { seq, recordedAt: '2026-11-27T05:59:00.000Z', action, details, actor: 'ana@laptop' };
  };

  it('report the newest entry of each kind, and how many more there are', () => {
    expect(
      auditLogFindings([
        entryOf('guard-override', 7, { command: 'db push' }),
        entryOf('guard-override', 9, { command: 'migrate reset' }),
        entryOf('logins-refused', 10, { failures: 10 }),
        entryOf('backup', 11, {}),
      ]).map(({ code, severity, text }) => `${severity} ${code}: ${text}`),
    ).toEqual([
      'warning GUARD_OVERRIDDEN: ana@laptop overrode the guard: migrate reset, at 2026-11-27 05:59 UTC (entry 9 of the audit log); 1 entry more within the hour',
      'warning LOGINS_REFUSED: 10 attempts to sign in at ana@laptop failed within a minute, at 2026-11-27 05:59 UTC (entry 10 of the audit log)',
    ]);
  });
});
