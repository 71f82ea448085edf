import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyScripts } from '../../src/deploy/apply/apply-scripts.js';
import type { MigrationScript } from '../../src/deploy/apply/apply.types.js';
import { applyMigrations } from '../../src/migrations/schema-engine.js';
import { parseFiles } from '../../src/migrations/sql/parse-files.js';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { changedUrl } from '../support/guarded-database.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { endSleepers, failureOf, newestAttempt, sleepsIn } from '../support/migration-runs.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { TRANSACTION_CORPUS } from '../support/transaction-corpus.js';
import { until } from '../support/until.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

const OPTIONS = {
  timeouts: { statementTimeoutMs: 60_000, lockTimeoutMs: 5000 },
  connectTimeoutMs: 10_000,
  statementTimeoutMs: 60_000,
  lockTimeoutMs: 5000,
  signal: new AbortController().signal,
  onStep: () => undefined,
};

// Each test starts programs, several of them.
jest.setTimeout(120_000);

describe('how a migration is run', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const bare = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createDatabase(own, name), { clinic: false });
  const stock = (program: string, argv: readonly string[]): string =>
    execFileSync(path.join(BINARIES.bin, program), argv, {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
  const scriptsOf = async (files: readonly { name: string; sql: string }[]): Promise<MigrationScript[]> => {
    const parsed = await parseFiles(files.map(({ name, sql }) => ({ path: name, content: sql })));
    return parsed.map((one, index) => {
      const { name = '', sql = '' } = files[index] ?? {};
      const migration = { name, file: name, sql, statements: one.statements.length, isAtomic: false };
      return { migration, parsed: one };
    });
  };
  /** Structure and rows of a database; newer programs write a random word into \restrict. */
  const dump = (url: string, ...argv: string[]): string =>
    stock('pg_dump', [...argv, url]).replaceAll(/^\\(?:un)?restrict .*\n/gm, '');

  it('gives the same database as stock Prisma, for every file that it applies', async () => {
    const url = await createDatabase(own, 'deployed');
    const fitted = (name: string) =>
      TRANSACTION_CORPUS.map((one) => ({ ...one, sql: one.sql.replaceAll('@name@', name) }));
    // Not by the command: its lint would refuse most of them.
    const steps: string[] = [];
    const outcome = await applyScripts(await scriptsOf(fitted('one')), {
      ...OPTIONS,
      url: parseDatabaseUrl(url),
      onStep: (line) => steps.push(line),
    });
    expect({ ...outcome, steps: steps.filter((line) => !line.startsWith('Applying ')) }).toEqual({
      failed: undefined,
      retries: 0,
      found: [],
      steps: [
        '02_enum_value_used cannot run as one transaction (unsafe use of new value "LIGHT" of enum type "Shade"); applying it statement by statement',
        '07_procedure_that_commits cannot run as one transaction (invalid transaction termination); applying it statement by statement',
        '08_block_that_commits cannot run as one transaction (invalid transaction termination); applying it statement by statement',
      ],
    });

    const byPsql = await createDatabase(own, 'by_psql');
    const application = new DeployedApplication(byPsql, { clinic: false });
    for (const { name, sql } of fitted('two')) application.add(name, sql);
    const files = TRANSACTION_CORPUS.map(({ name }) =>
      path.join(application.migrations, name, 'migration.sql'),
    );
    stock('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...files.flatMap((file) => ['-f', file]), byPsql]);
    const expected = dump(byPsql);
    expect(expected.length).toBeGreaterThan(5000);
    expect(dump(url, '--exclude-table=_prisma_migrations').replaceAll('corpus_one', 'corpus_two')).toBe(
      expected,
    );
    const { rows } = await query(
      url,
      'SELECT count(*)::int AS rows, sum(applied_steps_count)::int AS steps, count(finished_at)::int AS finished, count(logs)::int AS logs FROM _prisma_migrations',
    );
    const count = TRANSACTION_CORPUS.length;
    expect(rows).toEqual([{ rows: count, steps: count, finished: count, logs: 0 }]);
  });

  it('creates the history table as Prisma’s engine does, and the engine accepts it', async () => {
    const application = await bare('history');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    expect((await application.quickly()).code).toBe(0);
    const byEngine = await createDatabase(own, 'by_engine');
    const directory = application.migrations;
    await applyMigrations({ database: parseDatabaseUrl(byEngine), directory });
    expect(dump(application.url, '-s')).toBe(dump(byEngine, '-s'));
    const row =
      'SELECT migration_name, checksum, applied_steps_count, logs, rolled_back_at FROM _prisma_migrations';
    expect((await query(application.url, row)).rows).toEqual((await query(byEngine, row)).rows);
    application.add('2_second', 'CREATE TABLE b (id INT);\n');
    expect(await applyMigrations({ database: parseDatabaseUrl(application.url), directory })).toEqual([
      '2_second',
    ]);
  });

  it('killed in the middle of one transaction: nothing is applied, and resolve reports that', async () => {
    const application = await bare('killed_whole');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    expect((await application.quickly()).code).toBe(0);
    application.add('2_second', 'INSERT INTO a VALUES (1);\nSELECT pg_sleep(120);\n');
    const deploy = application.start(['--without-backup']);
    await until(() => sleepsIn(application.url), 30_000);
    deploy.signal('SIGKILL');
    await deploy.end();
    await endSleepers(application.url);
    expect(await newestAttempt(application.url)).toEqual({
      name: '2_second',
      finished: false,
      steps: 0,
      logs: 'pgkeep: one transaction',
    });
    const refused = await application.deploy();
    expect(refused.stderr.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME')).toBe(
      `Refused to deploy: migration 2_second started on TIME UTC and did not finish. Nothing was touched.
pgkeep ran it as one transaction: none of it was applied.
To see what was applied and the options:
  npx pgkeep migrate resolve
`,
    );
    expect((await application.migrate(['resolve', '--rolled-back', '2_second'])).code).toBe(0);
    application.add('2_second', 'INSERT INTO a VALUES (1);\n');
    expect((await application.quickly()).code).toBe(0);
    expect((await query(application.url, 'SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
  });

  it('the connection lost during COMMIT: unknown until the history can be read', async () => {
    const application = await bare('committing');
    application.add(
      '1_first',
      `CREATE TABLE a (id INT);
CREATE FUNCTION slow() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(5); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
`,
    );
    expect((await application.quickly()).code).toBe(0);
    application.add('2_second', 'INSERT INTO a VALUES (1);\n');
    const proxy = await TcpProxy.to(Number(new URL(application.url).port));
    const deploy = application.start(['--without-backup'], {
      DATABASE_URL: changedUrl(application.url, { port: String(proxy.port) }),
    });
    await until(() => sleepsIn(application.url), 30_000);
    proxy.cut();
    const { code } = await deploy.end();
    await proxy.close();
    expect(code).toBe(1);
    expect(failureOf(deploy.stderr).replace(/backend\(\d+/, 'backend(PID'))
      .toBe(`The connection was lost while migration 2_second was running (prisma/migrations/2_second/migration.sql): read ECONNRESET (ECONNRESET)
Outcome unknown: the migration was applied completely or not at all.
Its session is still running on the server. Wait for it to end, or end it:
  SELECT pg_terminate_backend(PID);    (in psql)
To see what was applied and the options:
  npx pgkeep migrate resolve
`);
    await until(async () => !(await sleepsIn(application.url)), 30_000);
    expect((await application.deploy()).stdout).toBe(
      'Nothing to deploy: database "committing" (test) is up to date.\n',
    );
  });

  it('works with hostile session defaults of the database, and for a file that the parser cannot read', async () => {
    const application = await bare('hostile');
    await query(
      application.url,
      `ALTER DATABASE hostile SET default_transaction_read_only = on;
       ALTER DATABASE hostile SET search_path = pg_catalog`,
    );
    application.add('1_first', 'CREATE TABLE IF NOT EXISTS a (id INT);\nINSERT INTO a VALUES (1);\n');
    expect((await application.quickly()).code).toBe(0);
    // A reserved word since PostgreSQL 16.
    const options = { ...OPTIONS, url: parseDatabaseUrl(application.url) };
    const sql = 'CREATE TABLE b (system_user INT);\nCREATE TABLE c (id INT);\n';
    const first = { name: '1_first', sql: 'SELECT 1' };
    expect(await applyScripts(await scriptsOf([first, { name: '2_unread', sql }]), options)).toEqual({
      failed: undefined,
      retries: 0,
      found: [],
    });
    const failing = await applyScripts(await scriptsOf([{ name: '3_unread', sql }]), options);
    expect(failing.failed).toMatchObject({ completed: 0, mode: { kind: 'query' } });
    expect(await newestAttempt(application.url)).toEqual({
      name: '3_unread',
      finished: false,
      steps: 0,
      logs: expect.stringMatching(/^pgkeep: one query\n[^]*\nERROR: relation "b" already exists\n/),
    });
    // Prisma's engine reads the row like one that it wrote.
    const directory = application.migrations;
    await expect(
      applyMigrations({ database: parseDatabaseUrl(application.url), directory }),
    ).rejects.toMatchObject({
      cause: { prismaCode: 'P3009' },
      message: expect.stringContaining('The `3_unread` migration started at'),
    });
  });
});
