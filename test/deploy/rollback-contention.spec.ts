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

const FIRST = '20990101000000_first';
const NAME = '20990102000000_second';
const FILE = `prisma/migrations/${NAME}/down.sql`;
const DOWN = 'ALTER TABLE a DROP COLUMN b;\n';
const SLOW = `${DOWN}SELECT pg_sleep(30);\n`;
const QUICK = { MIGRATIONS_LOCK_TIMEOUT: '1500' };

describe('a rollback under contention', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const application = async (name: string, down = DOWN): Promise<DeployedApplication> => {
    const made = new DeployedApplication(await createDatabase(own, name), { clinic: false });
    made.add(FIRST, 'CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n', 'DROP TABLE a;\n');
    made.add(NAME, 'ALTER TABLE a ADD COLUMN b INT;\n', down);
    expect((await made.quickly()).code).toBe(0);
    return made;
  };
  const session = async (url: string, sql: string, name = 'reports'): Promise<Client & { pid: number }> => {
    const client = new Client({ connectionString: url, application_name: name });
    await client.connect();
    await client.query(sql);
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    return Object.assign(client, { pid: rows[0]?.pid ?? 0 });
  };
  const sleeps = async (url: string): Promise<boolean> => {
    const { rows } = await query(
      url,
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
    );
    return rows.length > 0;
  };
  const rollback = (made: DeployedApplication, argv: readonly string[] = [], environment = {}) =>
    made.start(['--without-backup', ...argv], environment, 'rollback');
  const message = (stderr: string): string =>
    stderr
      .slice(stderr.search(/^(?:Refused|The rollback|The connection was lost) /m))
      .replaceAll(/for \d+ s/g, 'for N s');
  const isApplied = async (url: string): Promise<boolean> => {
    const { rows } = await query(
      url,
      `SELECT FROM _prisma_migrations, information_schema.columns
        WHERE migration_name = '${NAME}' AND rolled_back_at IS NULL AND table_name = 'a' AND column_name = 'b'`,
    );
    return rows.length === 1;
  };

  it('a lock that is never granted: four attempts, and the blocking session is named', async () => {
    const made = await application('never');
    const blocker = await session(made.url, `BEGIN; SELECT id FROM a`);
    const run = rollback(made, [], QUICK);
    const { code } = await run.end(60_000);
    await blocker.end();
    const who = `pid ${blocker.pid} (reports of "postgres" at 127.0.0.1, idle in transaction for N s: SELECT pg_backend_pid() AS pid)`;
    expect(run.stderr).toContain('; retrying in 4 s (3 of 3).');
    expect(message(run.stderr)).toBe(`The rollback of ${NAME} failed at statement 1 of 1, ${FILE}:1:1
  ALTER TABLE a DROP COLUMN b;
PostgreSQL reported: canceling statement due to lock timeout (55P03)
It waited 1500 ms for a lock (MIGRATIONS_LOCK_TIMEOUT, or its own lock_timeout), 4 times, blocked by ${who}.
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Retry later:
  npx pgkeep migrate rollback ${NAME}
`);
    expect(code).toBe(1);
    expect(await isApplied(made.url)).toBe(true);
  });

  it('a lock that is granted at the second attempt', async () => {
    const made = await application('second');
    const blocker = await session(made.url, 'BEGIN; SELECT id FROM a');
    const run = rollback(made, [], QUICK);
    await until(() => run.stderr.includes('retrying in 1 s'), 20_000);
    await blocker.end();
    expect((await run.end()).code).toBe(0);
    expect(run.stdout).toContain('  retried for a lock: once\n');
    expect(await isApplied(made.url)).toBe(false);
  });

  it('a statement that runs too long', async () => {
    const made = await application('long', SLOW);
    const { code, stderr } = await made.migrate(['rollback', '--without-backup'], {
      MIGRATIONS_STATEMENT_TIMEOUT: '300',
    });
    expect(message(stderr)).toBe(`The rollback of ${NAME} failed at statement 2 of 2, ${FILE}:2:1
  SELECT pg_sleep(30);
PostgreSQL reported: canceling statement due to statement timeout (57014)
The limit is 300 ms (MIGRATIONS_STATEMENT_TIMEOUT, or its own statement_timeout).
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Fix ${FILE}, then:
  npx pgkeep migrate rollback ${NAME}
`);
    expect(code).toBe(1);
  });

  it('one at a time: a deploy and another rollback are refused, --wait waits; Prisma’s own deploy waits as well', async () => {
    const made = await application('two');
    const blocker = await session(made.url, 'BEGIN; SELECT FROM a');
    const first = rollback(made, [], { MIGRATIONS_LOCK_TIMEOUT: '60000' });
    await until(
      async () =>
        (
          await query(
            made.url,
            `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%ALTER%'`,
          )
        ).rows.length > 0,
      20_000,
    );
    const second = await made.migrate(['rollback', '--without-backup']);
    expect(second.code).toBe(3);
    const holder = 'pid PID \\(pgkeep rollback of "postgres" at 127\\.0\\.0\\.1,[^)]*\\)+';
    expect(
      message(second.stderr).replaceAll(/pid \d+|backend\(\d+/g, (text) => text.replace(/\d+/, 'PID')),
    ).toMatch(
      new RegExp(
        `^Refused to roll back: migrations are being deployed by ${holder}.* Nothing was touched\\.\nWait for it: \`pgkeep migrate rollback --wait\`\\. If it is stuck, end that session: SELECT pg_terminate_backend\\(PID\\);`,
      ),
    );
    expect((await made.deploy()).stderr).toMatch(
      /^Refused to deploy: migrations are being deployed by pid \d+ \(pgkeep rollback /,
    );
    const { rows } = await query(made.url, 'SELECT pg_try_advisory_lock(72707369) AS taken');
    expect(rows).toEqual([{ taken: false }]);
    const third = rollback(made, ['--wait', '--lose', 'a']);
    await until(() => third.stderr.includes('Waiting for pid '), 20_000);
    await blocker.end();
    expect((await first.end()).code).toBe(0);
    // Its plan was for the second migration, which is rolled back by now.
    expect((await third.end()).code).toBe(3);
    expect(message(third.stderr)).toBe(
      `Refused to roll back: migration ${NAME} is already rolled back. Nothing was touched.
The newest applied one is ${FIRST}. See \`pgkeep migrate status\`.
`,
    );
  });

  it('the connection lost while it runs: everything is rolled back', async () => {
    const made = await application('lost', SLOW);
    const proxy = await TcpProxy.to(Number(new URL(made.url).port));
    const run = rollback(made, [], { DATABASE_URL: changedUrl(made.url, { port: String(proxy.port) }) });
    await until(() => sleeps(made.url), 20_000);
    proxy.cut();
    const { code } = await run.end();
    await proxy.close();
    expect(code).toBe(1);
    expect(message(run.stderr).replace(/backend\(\d+/, 'backend(PID'))
      .toBe(`The connection was lost while ${NAME} was being rolled back (${FILE}): read ECONNRESET (ECONNRESET)
Its session is still running on the server. PostgreSQL discards its changes when it ends: the migration is still applied.
Wait for it to end, or end it:
  SELECT pg_terminate_backend(PID);    (in psql)
Then:
  npx pgkeep migrate rollback ${NAME}
`);
    await query(
      made.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
    );
    expect(await isApplied(made.url)).toBe(true);
  });

  it('the connection lost during the commit: unknown until the history can be read', async () => {
    const made = await application('committing', `${DOWN}INSERT INTO slow VALUES (1);\n`);
    await query(
      made.url,
      `CREATE TABLE slow (id INT);
       CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(8); RETURN NULL; END';
       CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW EXECUTE FUNCTION wait()`,
    );
    const proxy = await TcpProxy.to(Number(new URL(made.url).port));
    const run = rollback(made, [], { DATABASE_URL: changedUrl(made.url, { port: String(proxy.port) }) });
    await until(() => sleeps(made.url), 20_000);
    proxy.cut();
    const { code } = await run.end();
    await proxy.close();
    expect(message(run.stderr))
      .toBe(`The connection was lost while ${NAME} was being rolled back (${FILE}): read ECONNRESET (ECONNRESET)
COMMIT was sent and the session is still running: the migration will be rolled back completely, or stay applied.
When it has ended:
  npx pgkeep migrate status
  npx pgkeep migrate rollback ${NAME}
`);
    expect(code).toBe(1);
    await until(async () => !(await isApplied(made.url)), 20_000);
  });

  it('the session terminated by another one: everything is rolled back', async () => {
    const made = await application('ended', SLOW);
    const run = rollback(made);
    await until(() => sleeps(made.url), 20_000);
    await query(
      made.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
    );
    expect((await run.end()).code).toBe(1);
    expect(message(run.stderr))
      .toBe(`The connection was lost while ${NAME} was being rolled back (${FILE}): terminating connection due to administrator command (57P01)
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Retry later:
  npx pgkeep migrate rollback ${NAME}
`);
    expect(await isApplied(made.url)).toBe(true);
  });

  it('Ctrl-C while it runs: cancelled, rolled back, reported', async () => {
    const made = await application('interrupted', SLOW);
    const run = rollback(made);
    await until(() => sleeps(made.url), 20_000);
    run.signal('SIGINT');
    expect((await run.end()).code).toBe(130);
    expect(message(run.stderr)).toBe(`The rollback of ${NAME} was interrupted at statement 2 of 2, ${FILE}:2:1
  SELECT pg_sleep(30);
PostgreSQL reported: canceling statement due to user request (57014)
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Retry later:
  npx pgkeep migrate rollback ${NAME}
`);
    expect(await isApplied(made.url)).toBe(true);
  });

  it('killed while it runs: everything is rolled back', async () => {
    const made = await application('killed', SLOW);
    const run = rollback(made);
    await until(() => sleeps(made.url), 20_000);
    await run.kill();
    await query(
      made.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
    );
    await until(async () => !(await sleeps(made.url)), 20_000);
    expect(await isApplied(made.url)).toBe(true);
  });
});
