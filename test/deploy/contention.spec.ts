import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { changedUrl } from '../support/guarded-database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

const ALTER = 'ALTER TABLE a ADD COLUMN b INT;\n';
const QUICK = { MIGRATIONS_LOCK_TIMEOUT: '200' };

describe('a deploy under contention', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** An application with table `a` and a pending migration that alters it. */
  const application = async (name: string, sql = ALTER): Promise<DeployedApplication> => {
    const made = new DeployedApplication(await createDatabase(own, name), { clinic: false });
    made.add('1_first', 'CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n');
    expect((await made.quickly()).code).toBe(0);
    return made.add('2_second', sql);
  };
  /** A session that holds the locks of its statements. */
  const session = async (url: string, sql: string, name = 'reports'): Promise<Client & { pid: number }> => {
    const client = new Client({ connectionString: url, application_name: name });
    await client.connect();
    await client.query(sql);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return Object.assign(client, { pid: rows[0]?.pid ?? 0 });
  };
  const waits = async (url: string, what: string): Promise<boolean> => {
    const { rows } = await query(
      url,
      `SELECT FROM pg_stat_activity WHERE query LIKE '%' || $1 AND wait_event_type = 'Lock'`,
      [what],
    );
    return rows.length > 0;
  };
  const message = (stderr: string): string =>
    stderr
      .slice(stderr.search(/^(?:Refused|Migration|The connection was lost) /m))
      .replaceAll(/for \d+ s/g, 'for N s');

  it('a lock that is never granted: four attempts, and the blocking session is named without literals of its query', async () => {
    const made = await application('never');
    const blocker = await session(made.url, `BEGIN; SELECT id, 'Siti Aminah' FROM a`);
    // Long enough for the query for blocking sessions to see it wait, on a busy machine too.
    const { code, stderr } = await made.quickly([], { MIGRATIONS_LOCK_TIMEOUT: '1000' });
    const reported = stderr.split('\n').filter((line) => line.includes('did not get its lock'));
    const { pid } = blocker;
    await blocker.end();
    const who = `pid ${pid} (reports of "postgres" at 127.0.0.1, idle in transaction for N s: SELECT pg_backend_pid() AS pid)`;
    expect(reported.map((line) => line.replace(/for \d+ s:/, 'for N s:'))).toEqual([
      `2_second did not get its lock, blocked by ${who}; retrying in 1 s (1 of 3).`,
      `2_second did not get its lock, blocked by ${who}; retrying in 2 s (2 of 3).`,
      `2_second did not get its lock, blocked by ${who}; retrying in 4 s (3 of 3).`,
    ]);
    expect(message(stderr))
      .toBe(`Migration 2_second failed at statement 1 of 1, prisma/migrations/2_second/migration.sql:1:1
  ALTER TABLE a ADD COLUMN b INT;
PostgreSQL reported: canceling statement due to lock timeout (55P03)
It waited 1000 ms for a lock (MIGRATIONS_LOCK_TIMEOUT, or its own lock_timeout), 4 times, blocked by ${who}.
The migration was rolled back completely: the database is as it was before it.
Retry later:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
`);
    expect(code).toBe(1);
  });

  it('a lock that is granted at the second attempt: one row in the history, and a report', async () => {
    const made = await application('second');
    const blocker = await session(made.url, `BEGIN; SELECT id, 'Siti Aminah' FROM a`);
    const deploy = made.start(['--without-backup'], QUICK);
    await until(() => deploy.stderr.includes('retrying in 1 s'), 20_000);
    await blocker.end();
    expect((await deploy.end()).code).toBe(0);
    expect(deploy.stdout).toContain('  retried for a lock: once\n');
    const { rows } = await query(
      made.url,
      `SELECT count(*)::int AS rows FROM _prisma_migrations WHERE migration_name = '2_second'`,
    );
    expect(rows).toEqual([{ rows: 1 }]);
  });

  it('a migration’s own timeouts take precedence; pgkeep’s timeouts do not leak into the next migration', async () => {
    const made = await application(
      'own_timeouts',
      `SET lock_timeout = '1234ms';\nSET statement_timeout = '0';\nCREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement;\n`,
    );
    made.add(
      '3_third',
      `INSERT INTO seen SELECT current_setting('lock_timeout'), current_setting('statement_timeout');\n`,
    );
    expect((await made.quickly([], { MIGRATIONS_STATEMENT_TIMEOUT: '60000' })).code).toBe(0);
    const { rows } = await query(made.url, 'SELECT * FROM seen');
    expect(rows).toEqual([
      { lock: '1234ms', statement: '0' },
      { lock: '5s', statement: '1min' },
    ]);
  });

  it('a migration that runs too long', async () => {
    const made = await application('long', 'SELECT pg_sleep(30);\n');
    const { code, stderr } = await made.quickly([], { MIGRATIONS_STATEMENT_TIMEOUT: '300' });
    expect(code).toBe(1);
    expect(message(stderr))
      .toContain(`PostgreSQL reported: canceling statement due to statement timeout (57014)
The limit is 300 ms (MIGRATIONS_STATEMENT_TIMEOUT, or its own statement_timeout).
`);
  });

  it('two concurrent deploys: the second is refused and names the first; --wait waits', async () => {
    const made = await application('two');
    const blocker = await session(made.url, 'BEGIN; SELECT FROM a');
    const first = made.start(['--without-backup'], { MIGRATIONS_LOCK_TIMEOUT: '60000' });
    await until(() => waits(made.url, 'ALTER TABLE a%'), 20_000);
    const second = await made.quickly();
    expect(second.code).toBe(3);
    expect(
      second.stderr
        .replaceAll(/\d+(?= \(pgkeep)|(?<=backend\()\d+/g, 'PID')
        .replaceAll(/for \d+ s/g, 'for N s'),
    ).toMatch(
      /^Refused to deploy: migrations are being deployed by pid PID \(pgkeep[^)]*of "postgres" at 127\.0\.0\.1,.*\. Nothing was touched\.\nWait for it: `pgkeep migrate deploy --wait`\. If it is stuck, end that session: SELECT pg_terminate_backend\(PID\);/,
    );
    const third = made.start(['--without-backup', '--wait']);
    await until(() => third.stderr.startsWith('Waiting for pid '), 20_000);
    await blocker.end();
    expect((await first.end()).code).toBe(0);
    expect((await third.end()).code).toBe(0);
    expect(third.stdout).toBe('Nothing to deploy: database "two" (test) is up to date.\n');
  });

  it('Prisma’s lock, held by a session that was left open', async () => {
    const made = await application('wedged');
    const holder = await session(made.url, 'SELECT pg_advisory_lock(72707369)', 'left open');
    const { pid } = holder;
    const { code, stderr } = await made.quickly();
    await holder.end();
    expect(code).toBe(3);
    expect(message(stderr)).toBe(
      `Refused to deploy: migrations are being deployed by pid ${pid} (left open of "postgres" at 127.0.0.1, idle for N s: SELECT pg_backend_pid() AS pid). Nothing was touched.
Wait for it: \`pgkeep migrate deploy --wait\`. If it is stuck, end that session: SELECT pg_terminate_backend(${pid});
`,
    );
  });

  it('Prisma’s lock, taken after the check: refused before anything runs', async () => {
    const made = await application('slipped_in');
    const holder = await session(made.url, 'SELECT 1', 'prisma');
    const deploy = made.start();
    // The backup takes longer than this lock.
    await until(() => deploy.stderr.includes('Backing up'), 20_000, 'the backup');
    await holder.query('SELECT pg_advisory_lock(72707369)');
    const { code } = await deploy.end(60_000);
    expect(message(deploy.stderr)).toBe(
      `Refused to deploy: migrations are being deployed by pid ${holder.pid} (prisma of "postgres" at 127.0.0.1, idle for N s: SELECT pg_advisory_lock(…)). Nothing was touched.
Wait for it: \`pgkeep migrate deploy --wait\`. If it is stuck, end that session: SELECT pg_terminate_backend(${holder.pid});
`,
    );
    expect({ code, stdout: deploy.stdout }).toEqual({ code: 3, stdout: '' });
    await holder.end();
    expect((await made.quickly()).code).toBe(0);
  });

  it('the connection lost while a migration runs', async () => {
    const made = await application('lost', 'ALTER TABLE a ADD COLUMN b INT;\nSELECT pg_sleep(20);\n');
    const proxy = await TcpProxy.to(Number(new URL(made.url).port));
    const deploy = made.start(['--without-backup'], {
      DATABASE_URL: changedUrl(made.url, { port: String(proxy.port) }),
    });
    await until(
      async () =>
        (await query(made.url, `SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)).rows.length > 0,
      20_000,
    );
    proxy.cut();
    const { code } = await deploy.end();
    await proxy.close();
    expect(code).toBe(1);
    expect(message(deploy.stderr).replace(/backend\(\d+/, 'backend(PID'))
      .toBe(`The connection was lost while migration 2_second was running (prisma/migrations/2_second/migration.sql): read ECONNRESET (ECONNRESET)
None of it was applied: PostgreSQL rolls back a transaction whose session ends before it commits.
Its session is still running on the server. Wait for it to end, or end it:
  SELECT pg_terminate_backend(PID);    (in psql)
Retry later:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
`);
    const { rows } = await query(
      made.url,
      `SELECT finished_at, rolled_back_at FROM _prisma_migrations WHERE migration_name = '2_second'`,
    );
    expect(rows).toEqual([{ finished_at: null, rolled_back_at: null }]);
  });

  it('Ctrl-C while a migration runs: cancelled, rolled back, reported', async () => {
    const made = await application('interrupted', 'ALTER TABLE a ADD COLUMN b INT;\nSELECT pg_sleep(30);\n');
    const deploy = made.start(['--without-backup']);
    await until(
      async () =>
        (
          await query(
            made.url,
            `SELECT FROM pg_stat_activity WHERE datname = 'interrupted' AND wait_event = 'PgSleep'`,
          )
        ).rows.length > 0,
      20_000,
    );
    deploy.signal('SIGINT');
    expect((await deploy.end()).code).toBe(130);
    expect(message(deploy.stderr))
      .toBe(`Migration 2_second was interrupted at statement 2 of 2, prisma/migrations/2_second/migration.sql:2:1
  SELECT pg_sleep(30);
PostgreSQL reported: canceling statement due to user request (57014)
The migration was rolled back completely: the database is as it was before it.
Retry later:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
`);
    const { rows } = await query(
      made.url,
      `SELECT FROM information_schema.columns WHERE table_name = 'a' AND column_name = 'b'`,
    );
    expect(rows).toEqual([]);
  });

  it('Ctrl-C between two attempts: no more retries', async () => {
    const made = await application('between');
    made.add('3_third', 'CREATE TABLE c (id INT);\n');
    const blocker = await session(made.url, 'BEGIN; SELECT FROM a');
    const deploy = made.start(['--without-backup'], QUICK);
    await until(() => deploy.stderr.includes('retrying in 1 s'), 20_000);
    deploy.signal('SIGTERM');
    expect((await deploy.end()).code).toBe(143);
    await blocker.end();
    expect(message(deploy.stderr).split('\n').slice(0, 3)).toEqual([
      'Migration 2_second was interrupted at statement 1 of 1, prisma/migrations/2_second/migration.sql:1:1',
      '  ALTER TABLE a ADD COLUMN b INT;',
      'PostgreSQL reported: canceling statement due to lock timeout (55P03)',
    ]);
    expect(deploy.stderr).toContain('Not run: 3_third.\n');
  });
});
