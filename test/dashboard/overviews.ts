import type { ChartPoint } from '../../src/dashboard/chart.js';
import type { MonitoringFinding, MonitoringReport } from '../../src/monitoring/monitoring.types.js';
import type { AttentionItem, Fact, Overview } from '../../src/overview/overview.types.js';

/** Overviews in the states that a page must show: as data, because most of them take weeks to happen. */

export const NOW = new Date('2026-11-27T14:03:20.000Z');
const DAY = 86_400_000;

const at = (ms: number): string => new Date(NOW.getTime() + ms).toISOString();

export function fact<T>(value: T): Fact<T> {
  return { value, readAt: at(-5000), fault: null };
}

const report: MonitoringReport = {
  database: 'clinic',
  environment: 'production',
  version: '15.18',
  sampledAt: at(-6000),
  vitals: {
    connectMs: 21.4,
    roundTripMs: 0.6,
    oldestTransactionSeconds: 0.2,
    longestStatementSeconds: 0.2,
    transactionsPerSecond: 187,
    rollbacksPerSecond: 0.02,
    deadlocks: 0,
    cacheHit: 0.997,
    statementsPerSecond: 420,
    meanStatementMs: 2.3,
    sizeBytes: 6.3 * 1024 ** 3,
    transactionIdAge: 12_000_000,
    deadlocksPerSecond: 0,
    writesPerSecond: 40,
    tempBytesPerSecond: 0,
    walBytesPerSecond: 120_000,
    replicaLagSeconds: null,
    slotBytes: null,
    idsUsed: null,
  },
  sessions: { total: 19, limit: 97, active: 3, idle: 15, idleInTransaction: 1, waiting: 0, own: 6 },
  applications: [
    { application: 'clinic-web', total: 11, active: 2 },
    { application: 'pgkeep', total: 6, active: 1 },
    { application: 'clinic-worker', total: 1, active: 0 },
    { application: 'metabase', total: 1, active: 0 },
  ],
  statements: [
    {
      statement: 'SELECT * FROM children ORDER BY random() LIMIT $1',
      calls: 109_334,
      meanMs: 1.39,
      share: 0.48,
    },
    {
      statement:
        'INSERT INTO audit_events (child_id, what) SELECT $1 + g % $2, $3 FROM generate_series($4, $5) g ON CONFLICT DO NOTHING',
      calls: 312,
      meanMs: 288,
      share: 0.27,
    },
    {
      statement: 'SELECT s.* FROM sessions s JOIN children c ON c.id = s.child_id WHERE c.id = $1',
      calls: 87_112,
      meanMs: 0.94,
      share: 0.12,
    },
    { statement: 'SELECT count(*) FROM session_quiz_steps', calls: 2385, meanMs: 0.53, share: 0.004 },
  ],
  largest: [
    { name: 'public.audit_events', bytes: 4.1 * 1024 ** 3 },
    { name: 'public.session_quiz_steps', bytes: 950_000_000 },
    { name: 'public.sessions', bytes: 120_926_000 },
    { name: 'public.children', bytes: 410_000 },
    { name: 'public.users', bytes: 279_000 },
  ],
  findings: [],
  unseen: [],
  codes: 31,
  counters: {
    commits: null,
    rollbacks: null,
    blocksRead: null,
    blocksHit: null,
    tempBytes: null,
    deadlocks: null,
    checksumFailures: null,
    sessionsFatal: null,
    sessionsKilled: null,
    statements: null,
    statementsMs: null,
    archiveFailures: null,
  },
  replication: null,
  forecasts: [],
  storage: { limitBytes: 20 * 1024 ** 3, usedShare: 0.32 },
};

const NAME = 'clinic_production_20261127_020000';

function backups(): Overview['backups'] {
  const entries = Array.from({ length: 14 }, (_entry, index) => {
    const finishedAt = at(-index * DAY - 12 * 3_600_000);
    return {
      name: `clinic_production_${finishedAt.slice(0, 10).replaceAll('-', '')}_020000`,
      database: 'clinic',
      environment: 'production' as const,
      systemIdentifier: '7',
      reason: 'scheduled' as const,
      origin: null,
      finishedAt,
      bytes: 1_377_000_000 - index * 3_000_000,
      sha256: 'ab',
      encrypted: true,
      pinned: index === 5,
      locations: ['/var/backups/clinic', 's3://clinic-backups'],
      without: [],
      restoreTest: index % 7 === 1 ? ('passed' as const) : null,
    };
  });
  return fact({ backups: entries, unreadable: [], unreachable: [] });
}

const entry = (seq: number, action: string, subject: string, ms: number, actor: string) => ({
  seq,
  recordedAt: at(ms),
  action,
  subject,
  details: { environment: 'production' },
  role: 'pgkeep',
  actor,
  previousHash: '0',
  hash: '1',
});

const check = (details: string) => ({ ok: true, details });

/** A healthy database in production. */
export const calm: Overview = {
  version: '0.1.0',
  database: 'clinic',
  environment: 'production',
  serverVersion: '15.18',
  takenAt: at(-1000),
  isDemo: false,
  verdict: {
    status: 'ready',
    checks: {
      database: check('PostgreSQL 15.18, 2 ms'),
      environment: check('production'),
      migrations: check('9/9 migrations applied'),
      databaseSafety: check('TLSv1.3, 20 of 97 connections; the DDL guard against DROP and TRUNCATE is on'),
      backupConfig: check('30 days retention, restore test 1 day old'),
      backups: check('newest backup 12 hours old, 14 kept in 2 places'),
      policy: check('12 rules of 9 tables are enforced'),
      privacy: check('no erasure is due'),
    },
    evaluatedAt: at(-2000),
  },
  attention: [],
  codes: 31,
  upcoming: [
    {
      what: 'restore-test',
      subject: '',
      text: 'The newest restore test is too old, and /ready says no',
      breaksAt: at(89 * DAY),
    },
    { what: 'support', subject: '', text: 'PostgreSQL 15 gets no more fixes', breaksAt: at(350 * DAY) },
    {
      what: 'disk',
      subject: '',
      text: '20.0 GB are reached in about 361 days (333 to 365), at 38.9 MB a day.',
      breaksAt: at(361 * DAY),
    },
    {
      what: 'certificate',
      subject: '',
      text: 'The server’s TLS certificate expires',
      breaksAt: at(364 * DAY),
    },
  ],
  monitoring: { report, down: null, isStale: false },
  backups: backups(),
  restoreTests: fact({
    total: 2,
    tests: [
      {
        number: 2,
        backup: 'clinic_production_20261126_020000',
        environment: 'production',
        verdict: 'passed',
        without: [],
        startedAt: at(-1.5 * DAY),
        finishedAt: at(-1.5 * DAY + 182_000),
        durationMs: 182_000,
        archiveSha256: 'ab',
        hash: 'cd',
      },
    ],
    chainFault: null,
  }),
  jobs: fact({
    enabled: true,
    timeZone: 'UTC',
    jobs: [
      {
        name: 'backup',
        schedule: '0 2 * * *',
        after: null,
        nextDueAt: at(12 * 3_600_000),
        overdueSince: null,
        registeredAt: at(-90 * DAY),
        running: null,
        runs: [],
      },
      {
        name: 'restore-test',
        schedule: '0 4 * * 0',
        after: null,
        nextDueAt: at(2 * DAY),
        overdueSince: null,
        registeredAt: at(-90 * DAY),
        running: null,
        runs: [],
      },
    ],
  }),
  migrations: fact({
    applied: ['20260101000000_init', '20260301000000_children', '20261101000000_audit_events'],
    pending: [],
    failed: [],
    rolledBack: [],
    edited: [],
    unknown: [],
  }),
  drift: fact({
    verdict: 'none',
    recorded: { id: '1', recordedAt: at(-20 * DAY), action: 'deploy', migrations: [] },
    objects: [],
    appliedSince: [],
    goneSince: [],
    prisma: null,
  }),
  stats: fact({
    sizeBytes: 6.3 * 1024 ** 3,
    sizeMB: 6451.2,
    tableCount: 2,
    tables: report.largest.map(({ name, bytes }, index) => ({
      name,
      rowCount: 120_000 >> index,
      rowCountIsExact: index > 1,
      totalBytes: bytes,
      indexBytes: bytes / 4,
      sizesAreExact: true,
      deadRows: index * 12,
      lastVacuumAt: index === 0 ? null : at(-index * DAY),
      lastAnalyzeAt: at(-index * DAY),
    })),
    connections: { used: 19, max: 100, pool: { total: 3, idle: 3, waiting: 0 } },
    collectedAt: at(-20_000),
  }),
  auditLog: fact({
    total: 212,
    entries: [
      entry(208, 'deploy', 'clinic', -20 * DAY, 'maria@clinic.example'),
      entry(209, 'backup', 'clinic_production_20261126_020000', -1.5 * DAY, 'service@clinic-7d9f'),
      entry(210, 'restore-test', 'clinic_production_20261126_020000', -1.4 * DAY, 'service@clinic-7d9f'),
      entry(211, 'backup', NAME, -12 * 3_600_000, 'service@clinic-7d9f'),
      entry(212, 'pin', NAME, -3_600_000, 'maria@clinic.example'),
    ],
    chain: { verdict: 'whole', entries: 212, head: 'ef', knownHead: null, findings: [] },
  }),
  contacts: [
    {
      situation: 'Accidental deletion',
      action: 'Stop immediately, then restore',
      contact: 'Database Admin, +62 811 555 010',
    },
    { situation: 'Migration failure', action: 'pgkeep migrate rollback', contact: 'DevOps Team, #ops' },
    {
      situation: 'Data corruption',
      action: 'Restore from a proven backup',
      contact: 'Database Admin, +62 811 555 010',
    },
  ],
};

const finding = (
  one: Partial<MonitoringFinding> & Pick<MonitoringFinding, 'code' | 'severity' | 'text'>,
  ms: number,
): AttentionItem => ({
  subject: '',
  remedy: 'Look at it.',
  sql: null,
  since: at(ms),
  silencedUntil: null,
  ...one,
});

/** Sessions wait for one another: the database is safe to serve from, and needs a person. */
export const trouble: Overview = {
  ...calm,
  attention: [
    finding(
      {
        code: 'BLOCKED',
        severity: 'critical',
        subject: 'clinic-import',
        text: '2 sessions wait for clinic-import, for 2 min now',
        remedy: 'End the session that holds the lock, then find out why it keeps it.',
        sql: 'SELECT pg_terminate_backend(5527);',
      },
      -130_000,
    ),
    finding(
      { code: 'QUERY_LONG', severity: 'warning', text: 'metabase has run one statement for 2 min' },
      -81_000,
    ),
    finding(
      {
        code: 'TABLE_BLOATED',
        severity: 'warning',
        text: '199,963 dead rows in audit_events, beside 120,000 live ones; autovacuum is off for it',
      },
      -7_200_000,
    ),
    finding(
      {
        code: 'IDS_RUN_OUT',
        severity: 'warning',
        text: 'audit_events.id (integer) has used 83 % of its numbers',
      },
      -7_200_000,
    ),
    finding(
      {
        code: 'FOREIGN_KEY_UNINDEXED',
        severity: 'info',
        text: 'audit_events(child_id) has no index: each DELETE in children reads all of it',
      },
      -90_000_000,
    ),
    {
      ...finding(
        {
          code: 'CONNECTIONS_HIGH',
          severity: 'warning',
          text: 'Applications hold 18 connections; DB_CONNECTION_COUNT_THRESHOLD is 15',
        },
        -90_000_000,
      ),
      silencedUntil: at(7_200_000),
    },
  ],
  upcoming: [
    { what: 'password', subject: '', text: 'The password of role clinic_web expires', breaksAt: at(5 * DAY) },
    { what: 'ids', subject: '', text: 'audit_events.id runs out of numbers', breaksAt: at(22 * DAY) },
    ...calm.upcoming,
  ],
  migrations: fact({
    applied: ['20260101000000_init', '20260301000000_children'],
    pending: ['20261101000000_audit_events'],
    failed: [],
    rolledBack: [],
    edited: [],
    unknown: [],
  }),
  drift: fact({
    verdict: 'drift',
    recorded: { id: '1', recordedAt: at(-20 * DAY), action: 'deploy', migrations: [] },
    objects: [
      {
        section: 'columns',
        home: 'children',
        object: 'column nickname',
        change: 'added',
        was: null,
        is: 'text',
      },
      {
        section: 'columns',
        home: 'users',
        object: 'column email',
        change: 'changed',
        was: 'text not null',
        is: 'text',
      },
    ],
    appliedSince: [],
    goneSince: [],
    prisma: null,
  }),
};

/** A check fails, so /ready answers 503. */
export const notReady: Overview = {
  ...calm,
  verdict: {
    ...calm.verdict,
    status: 'not_ready',
    checks: {
      ...calm.verdict.checks,
      migrations: {
        ok: false,
        details: 'Migration issues: 1 pending, 1 failed',
        code: 'MIGRATIONS_FAILED',
        gate: 'enforce',
      },
      policy: {
        ok: false,
        details: 'The trigger pgkeep_no_delete of table children is disabled',
        code: 'POLICY_NOT_ENFORCED',
        gate: 'warn',
      },
    },
  },
  attention: [
    finding(
      {
        code: 'MIGRATIONS_FAILED',
        severity: 'critical',
        subject: 'migrations',
        text: 'Migration issues: 1 pending, 1 failed',
      },
      -40_000,
    ),
  ],
};

const refused = 'connect ECONNREFUSED 127.0.0.1:39771';
const kept = <T>({ value }: Fact<T>): Fact<T> => ({ value, readAt: at(-46_000), fault: refused });

/** The database does not answer: everything is as it was last known. */
export const down: Overview = {
  ...calm,
  verdict: {
    ...calm.verdict,
    status: 'not_ready',
    checks: {
      ...calm.verdict.checks,
      database: {
        ok: false,
        details: `No usable database connection: ${refused}. Check the host and port of the database URL.`,
        code: 'DATABASE_UNREACHABLE',
        gate: 'enforce',
      },
      environment: {
        ok: false,
        details: `Not known: ${refused}`,
        code: 'DATABASE_UNREACHABLE',
        gate: 'enforce',
      },
    },
  },
  attention: [
    finding(
      {
        code: 'DATABASE_DOWN',
        severity: 'critical',
        text: `The database takes no connections: ${refused}`,
        remedy: 'Look at the server, its disk and its log. `pgkeep ping` says what it answers.',
      },
      -46_000,
    ),
  ],
  monitoring: { ...calm.monitoring, down: { since: at(-46_000), text: refused }, isStale: true },
  backups: calm.backups,
  restoreTests: kept(calm.restoreTests),
  jobs: kept(calm.jobs),
  migrations: kept(calm.migrations),
  drift: kept(calm.drift),
  stats: kept(calm.stats),
  auditLog: kept(calm.auditLog),
};

const unread = { value: null, readAt: null, fault: null };

/** The service has just started. */
export const early: Overview = {
  ...calm,
  serverVersion: null,
  verdict: { status: 'not_ready', code: 'EVALUATION_PENDING', checks: {} },
  codes: 0,
  upcoming: [],
  monitoring: { report: null, down: null, isStale: false },
  backups: unread,
  restoreTests: unread,
  jobs: unread,
  migrations: unread,
  drift: unread,
  stats: unread,
  auditLog: unread,
  contacts: [],
};

export const STATES = { calm, trouble, notReady, down, early } as const;

/** A day of history with a gap in it, the same in each run. */
export function history(hours: number, step = Math.max(1, hours / 5)): Record<string, ChartPoint[]> {
  const count = Math.floor((hours * 60) / step);
  const points = (base: number, swing: number, spike: number): ChartPoint[] =>
    Array.from({ length: count }, (_point, index) => {
      const phase = (index / count) * Math.PI * 4;
      const isGap = index > count * 0.6 && index < count * 0.65;
      const average = base + swing * Math.sin(phase) + (index === Math.floor(count * 0.3) ? spike : 0);
      return {
        at: NOW.getTime() - (count - index) * step * 60_000,
        average: isGap ? null : average,
        max: isGap ? null : average * 1.15,
      };
    });
  return {
    connections: points(14, 6, 0),
    transactionsPerSecond: points(120, 90, 0),
    meanStatementMs: points(2, 0.6, 11),
    connectMs: points(20, 4, 60),
    sizeBytes: points(6.3 * 1024 ** 3, 0.05 * 1024 ** 3, 0),
  };
}
