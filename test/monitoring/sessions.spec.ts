import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { readSettings } from '../../src/config/read-settings.js';
import { busySessions } from '../../src/monitoring/probes/busy-sessions.js';
import { replication } from '../../src/monitoring/probes/replication.js';
import { transactions } from '../../src/monitoring/probes/transactions.js';
import { wraparound } from '../../src/monitoring/probes/wraparound.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { findingsOf, look } from './look.js';

/** What the judges are given beside rows. */
const GIVEN = {
  server: {
    versionNumber: 150_000,
    inRecovery: false,
    role: 'r',
    seesAll: true,
    statementsSchema: null,
    statementsVersion: 0,
    hasRecords: false,
  },
  thresholds: readSettings({ DATABASE_URL: 'postgresql://localhost/none' }).monitoring,
  before: undefined,
  elapsedSeconds: 0,
};

describe('what the probes see of sessions and the server', () => {
  let own: ThrowAwayCluster;
  let url: string;
  const clients: Client[] = [];

  beforeAll(async () => {
    // A server that was set up carelessly.
    own = await startThrowAwayCluster({
      settings: {
        autovacuum: 'off',
        max_connections: '20',
        archive_mode: 'on',
        archive_command: 'false',
      },
    });
    url = await createDatabase(own, 'busy');
    await query(
      url,
      'CREATE TABLE patients (id int PRIMARY KEY, name text); INSERT INTO patients VALUES (1);',
    );
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
  });
  afterAll(() => own.cluster.destroy());

  async function open(application: string): Promise<Client> {
    const client = new Client({ connectionString: url, application_name: application });
    // A session that a test ends abruptly.
    client.on('error', () => undefined);
    await client.connect();
    clients.push(client);
    return client;
  }

  async function waits(application: string): Promise<boolean> {
    const { rows } = await query(
      url,
      `SELECT FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`,
      [application],
    );
    return rows.length > 0;
  }

  it('is a chain of sessions behind one lock, reported once for its root', async () => {
    const [root, first, second] = [await open('import'), await open('web-1'), await open('web-2')];
    await root.query('BEGIN; UPDATE patients SET id = 1');
    const waiting = [
      first.query(`UPDATE patients SET name = 'Siti' WHERE id = 1`).catch(() => undefined),
      until(() => waits('web-1')).then(() => second.query('BEGIN; LOCK TABLE patients')),
    ];
    await until(() => waits('web-2'));
    // Long enough for a warning, by the server's clock.
    await until(async () => findingsOf(await look(url), 'BLOCKED').length > 0, 30_000);
    const { findings } = await look(url);
    expect(findings.find(({ code }) => code === 'BLOCKED')).toEqual({
      code: 'BLOCKED',
      severity: 'warning',
      subject: 'import',
      text: expect.stringMatching(
        /^import blocks 2 sessions, the longest for \d+ s: BEGIN; UPDATE patients SET id = …$/,
      ),
      remedy: 'End the session that holds the lock, then find out why it keeps it.',
      sql: expect.stringMatching(/^SELECT pg_terminate_backend\(\d+\);$/),
    });
    await root.query('ROLLBACK');
    await Promise.all(waiting);
  });

  it('is a statement that runs for long, without its literals', async () => {
    const client = await open('report\n\u{1B}[31m');
    const running = client.query(`SELECT pg_sleep(60) WHERE 'Siti' = 'Siti'`).catch(() => undefined);
    const environment = { DB_QUERY_TIME_THRESHOLD: '300' };
    await until(async () => findingsOf(await look(url, environment), 'QUERY_LONG').length > 0);
    const report = await look(url, environment);
    expect(findingsOf(report, 'QUERY_LONG')).toEqual([
      expect.stringMatching(
        /^warning report.*: report.* has run one statement for \d+ s: SELECT pg_sleep\(…\) WHERE … = …$/,
      ),
    ]);
    // PostgreSQL itself replaces control characters in the name of an application.
    expect(JSON.stringify(report)).not.toMatch(/Siti|\\u001b/);
    const { rows } = await query(
      url,
      `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`,
    );
    expect(rows).toHaveLength(1);
    await running;
  });

  it('is a server whose connections are taken, by the seed’s threshold and by the server’s limit', async () => {
    for (let count = 0; count < 13; count += 1) await open('pool');
    expect(findingsOf(await look(url, { DB_CONNECTION_COUNT_THRESHOLD: '5' }), 'CONNECTIONS_HIGH')).toEqual([
      'warning : 14 of 17 connections are taken',
    ]);
    for (let count = 0; count < 3; count += 1) await open('pool');
    const report = await look(url);
    expect(findingsOf(report, 'CONNECTIONS_EXHAUSTED')).toEqual([
      'critical : 17 of 17 connections are taken',
    ]);
    expect(report.applications[0]).toEqual({ application: 'pool', total: 16, active: 0 });
    // Exit 1, and the worst first.
    const { code, stdout } = await runCli(['monitor'], { DATABASE_URL: url });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^ {2}CRITICAL +17 of 17 connections are taken \[CONNECTIONS_EXHAUSTED\]\n {12}Reduce connection_limit of the applications’ pools, or put PgBouncer in front\.$/m,
    );
  });

  it('is the application’s connections beyond the seed’s threshold', async () => {
    for (let count = 0; count < 4; count += 1) await open('pool');
    expect(findingsOf(await look(url, { DB_CONNECTION_COUNT_THRESHOLD: '3' }), 'CONNECTIONS_HIGH')).toEqual([
      'warning : Applications hold 4 connections; DB_CONNECTION_COUNT_THRESHOLD is 3',
    ]);
  });

  it('is a slow connection', async () => {
    const report = await look(url, { DB_CONNECTION_TIME_THRESHOLD: '1' });
    expect(findingsOf(report, 'CONNECTION_SLOW')).toEqual([
      expect.stringMatching(/^warning : A connection takes \d+ ms; DB_CONNECTION_TIME_THRESHOLD is 1 ms$/),
    ]);
  });

  it('is an archive that takes no WAL, and settings that endanger the data', async () => {
    await query(url, 'SELECT pg_switch_wal()');
    await until(async () => findingsOf(await look(url), 'ARCHIVER_FAILS').length > 0);
    expect(findingsOf(await look(url), 'ARCHIVER_FAILS', 'SETTING_DANGEROUS')).toEqual([
      expect.stringMatching(
        /^critical : Archiving WAL fails: [0-9A-F]{24} was not archived, after \d+ failures? in all$/,
      ),
      'critical fsync: fsync is off: a crash can destroy the database',
      'warning autovacuum: autovacuum is off: dead rows stay, and transaction numbers run out',
      'warning full_page_writes: full_page_writes is off: a crash can destroy pages',
    ]);
  });

  it('is a password that expires', async () => {
    await query(url, `CREATE ROLE soon LOGIN PASSWORD 'x' VALID UNTIL '${inDays(3)}'`);
    const report = await look(url.replace(/\/\/[^@]+@/, '//soon:x@'));
    expect(findingsOf(report, 'PASSWORD_EXPIRES')).toEqual([
      'warning soon: The password of role soon expires in 3 days',
    ]);
  });

  it('exits with 0 for what needs no action, and with 1 from the severity that was chosen', async () => {
    const only = ['monitor', '--only', 'STATEMENTS_UNKNOWN'];
    expect(await runCli(only, { DATABASE_URL: url })).toMatchObject({ code: 0 });
    const { code, stdout } = await runCli([...only, '--fail-on', 'info'], { DATABASE_URL: url });
    expect(code).toBe(1);
    expect(stdout).toContain(
      '  info      Slow statements are not known: pg_stat_statements is not installed in this database [STATEMENTS_UNKNOWN]',
    );
  });

  it('refuses a code that no probe has', async () => {
    const { code, stderr } = await runCli(['monitor', '--only', 'BLOCKED,BLOKED'], { DATABASE_URL: url });
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^Unknown code in --only: BLOKED\.\nThe codes are DATABASE_DOWN, CONNECTION_SLOW, .*, PASSWORD_EXPIRES\.\n/,
    );
  });

  it('is a database that does not answer', async () => {
    const { code, stderr } = await runCli(['monitor'], {
      DATABASE_URL: 'postgresql://u:s3cret@127.0.0.1:1/none',
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Cannot look at 127\.0\.0\.1:1\/none: connect ECONNREFUSED 127\.0\.0\.1:1\n/);
    expect(stderr).not.toContain('s3cret');
  });
});

describe('the judgement of what takes long to come about', () => {
  const session = {
    pid: 7,
    application: 'web',
    state: 'idle in transaction',
    waits_for_lock: false,
    transaction_seconds: 1000,
    statement_seconds: 1000,
    state_seconds: 0,
    blocked_by: [],
    statement: 'SELECT 1',
  };

  it.each([
    [299, undefined],
    [301, 'warning'],
    [3601, 'critical'],
  ])('of a transaction that has been idle for %i s is %s', (seconds, severity) => {
    const { findings = [] } = busySessions.judge([{ ...session, state_seconds: seconds }], GIVEN);
    expect(findings.map((finding) => [finding.code, finding.severity])).toEqual(
      severity === undefined ? [] : [['IDLE_IN_TRANSACTION', severity]],
    );
  });

  it('of a circle of waiting sessions ends', () => {
    const waiting = { ...session, statement_seconds: 90 };
    const circle = [
      { ...waiting, pid: 1, blocked_by: [2] },
      { ...waiting, pid: 2, blocked_by: [1] },
    ];
    expect(busySessions.judge(circle, GIVEN).findings).toEqual([]);
  });

  it('of a lock of a prepared transaction names it', () => {
    const { findings = [] } = busySessions.judge(
      [{ ...session, state: 'active', waits_for_lock: true, blocked_by: [0], statement_seconds: 61 }],
      GIVEN,
    );
    expect(findings).toEqual([
      {
        code: 'BLOCKED',
        severity: 'critical',
        subject: 'a prepared transaction',
        text: 'a prepared transaction blocks 1 session, the longest for 61 s',
        sql: 'SELECT gid, prepared, owner FROM pg_prepared_xacts ORDER BY prepared;',
      },
    ]);
  });

  it('of transaction numbers begins at half of them', () => {
    const row = { age: 1_500_000_000, oldest: [{ schema: 'app', name: 'Old' }] };
    expect(wraparound.judge([row], GIVEN).findings).toEqual([
      {
        code: 'WRAPAROUND_NEAR',
        severity: 'warning',
        text: 'The oldest row is 1,500,000,000 transactions old, 70 % of what the server can distinguish',
        sql: 'VACUUM (FREEZE, VERBOSE) app."Old";',
      },
    ]);
    expect(wraparound.judge([{ ...row, age: 1_000_000_000 }], GIVEN).findings).toEqual([]);
    expect(wraparound.judge([{ ...row, age: 1_700_000_000 }], GIVEN).findings?.[0]?.severity).toBe(
      'critical',
    );
  });

  it('of replication is about slots without a reader, lost ones, and replicas that are behind', () => {
    const slot = { name: 'a', active: false, lost: false, bytes: 3 * 1024 ** 3 };
    const { findings = [] } = replication.judge(
      [
        {
          position: 1,
          slots: [slot, { ...slot, name: 'b', lost: true }, { ...slot, name: 'c', active: true }],
          replicas: [
            { name: 'r', bytes: 10, seconds: 61 },
            { name: 's', bytes: 10, seconds: 1 },
          ],
        },
      ],
      GIVEN,
    );
    expect(findings.map(({ code, text }) => `${code}: ${text}`)).toEqual([
      'SLOT_RETAINS_WAL: Replication slot a has no reader and keeps 3.0 GB of WAL',
      'SLOT_LOST: Replication slot b has lost the WAL that its reader needs',
      'REPLICA_LAGS: Replica r is 61 s behind',
    ]);
  });

  it('of counters that were reset brings no rate, and of checksum failures a critical finding', () => {
    const row = {
      reset_at: null,
      commits: 10,
      rollbacks: 0,
      blocks_read: 1,
      blocks_hit: 1,
      temp_bytes: 0,
      rows_written: 5,
      deadlocks: 0,
      checksum_failures: 2,
      sessions_fatal: 0,
      sessions_killed: 0,
    };
    const earlier = { ...row, commits: 100, rows_written: 1 };
    const { vitals, findings } = transactions.judge([row], {
      ...GIVEN,
      before: [earlier],
      elapsedSeconds: 2,
    });
    // The other counters did not go down.
    expect(vitals).toEqual({
      deadlocks: 0,
      transactionsPerSecond: null,
      rollbacksPerSecond: 0,
      deadlocksPerSecond: 0,
      writesPerSecond: 2,
      tempBytesPerSecond: 0,
      cacheHit: null,
    });
    const reset = [{ ...earlier, reset_at: '2026-02-07 12:00:00+00' }];
    expect(transactions.judge([row], { ...GIVEN, before: reset, elapsedSeconds: 2 }).vitals).toEqual({
      deadlocks: 0,
    });
    expect(findings).toEqual([
      { code: 'DATA_CORRUPT', severity: 'critical', text: '2 pages failed the checksum' },
    ]);
  });
});

function inDays(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString();
}
