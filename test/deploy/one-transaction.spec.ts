import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyScripts } from '../../src/deploy/apply/apply-scripts.js';
import type { MigrationScript } from '../../src/deploy/apply/apply.types.js';
import { applyMigrations } from '../../src/migrations/engine/apply-migrations.js';
import { parseFiles } from '../../src/migrations/lint/parse-files.js';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { TRANSACTION_CORPUS } from '../support/transaction-corpus.js';
import { until } from '../support/until.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

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
  /** Structure and rows; newer programs write a random word into \restrict. */
  const dump = (url: string, ...argv: string[]): string =>
    stock('pg_dump', [...argv, url]).replaceAll(/^\\(?:un)?restrict .*\n/gm, '');
  const message = (stderr: string): string => stderr.slice(stderr.search(/^(?:Refused|Migration) /m));
  const history = async (url: string): Promise<unknown[]> =>
    (
      await query(
        url,
        `SELECT migration_name AS name, finished_at IS NOT NULL AS finished, applied_steps_count AS steps, logs
           FROM _prisma_migrations ORDER BY started_at DESC LIMIT 1`,
      )
    ).rows;
  const sleeps = (database: string) => async (): Promise<boolean> => {
    const { rows } = await query(
      own.cluster.url('postgres'),
      `SELECT FROM pg_stat_activity WHERE datname = $1 AND wait_event = 'PgSleep'`,
      [database],
    );
    return rows.length > 0;
  };

  it('gives of every file that stock Prisma applies the same database', async () => {
    const url = await createDatabase(own, 'deployed');
    const fitted = (name: string) =>
      TRANSACTION_CORPUS.map((one) => ({ ...one, sql: one.sql.replaceAll('@name@', name) }));
    // Not by the verb: its lint has something to say of most of them.
    const steps: string[] = [];
    const outcome = await applyScripts(await scriptsOf(fitted('one')), {
      url: parseDatabaseUrl(url),
      timeouts: { statementTimeoutMs: 60_000, lockTimeoutMs: 5000 },
      connectTimeoutMs: 10_000,
      statementTimeoutMs: 60_000,
      lockTimeoutMs: 5000,
      signal: new AbortController().signal,
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

  it('makes the history as Prisma’s engine makes it, and the engine takes it', async () => {
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

  it('one that turns out not to be one transaction: said, and known to the statement', async () => {
    const application = await bare('falls_back');
    application.add('1_first', `CREATE TYPE e AS ENUM ('a');\nCREATE TABLE t (v e);\n`);
    expect((await application.quickly()).code).toBe(0);
    application.add(
      '2_second',
      `ALTER TYPE e ADD VALUE 'b';\nINSERT INTO t VALUES ('b');\nINSERT INTO t VALUES ('c');\nDROP TABLE t;\n`,
    );
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(stderr.slice(stderr.indexOf('Applying'))).toBe(`Applying 2_second
2_second cannot run as one transaction (unsafe use of new value "b" of enum type e); applying it statement by statement
Migration 2_second failed at statement 3 of 4, prisma/migrations/2_second/migration.sql:3:23
  INSERT INTO t VALUES ('c');
PostgreSQL says: invalid input value for enum e: "c" (22P02)
It does not run as one transaction: statements 1 to 2 are applied and stay.
Take back by hand what is there of it, mend prisma/migrations/2_second/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
Or finish it by hand. To see its statements, and the command for that:
  npx pgkeep migrate resolve
`);
    expect(await history(application.url)).toEqual([
      {
        name: '2_second',
        finished: false,
        steps: 2,
        logs: expect.stringMatching(
          /^pgkeep: 4 statements, one by one\nA migration failed to apply\. New migrations cannot be applied before [^]*\n\nMigration name: 2_second\n\nDatabase error code: 22P02\n\nDatabase error:\nERROR: invalid input value for enum e: "c"\n\nPosition:\n {2}1 ALTER TYPE e ADD VALUE 'b';\n {2}2 INSERT INTO t VALUES \('b'\);\n {2}3 INSERT INTO t VALUES \('c'\);\n/,
        ),
      },
    ]);
    const refused = await application.deploy();
    expect(refused.stderr.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME')).toBe(
      `Refused to deploy: migration 2_second began on TIME UTC and did not end. Nothing was touched.
It failed (column logs of _prisma_migrations has the rest): ERROR: invalid input value for enum e: "c"
pgkeep ran it statement by statement: 2 of 4 are applied.
See what of it is in the database, and what to choose from:
  npx pgkeep migrate resolve
`,
    );
  });

  it('killed in the middle of statements: the history knows which are applied', async () => {
    const application = await bare('killed');
    application.add(
      '1_first',
      `CREATE TABLE a (id INT);
INSERT INTO a VALUES (1);
BEGIN;
INSERT INTO a VALUES (2);
SELECT pg_sleep(120);
COMMIT;
INSERT INTO a VALUES (3);
`,
    );
    const deploy = application.start(['--without-backup']);
    await until(sleeps('killed'), 30_000);
    deploy.signal('SIGKILL');
    await deploy.end();
    await query(
      application.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
    );
    await until(async () => !(await sleeps('killed')()), 20_000);
    expect(await history(application.url)).toEqual([
      { name: '1_first', finished: false, steps: 2, logs: 'pgkeep: 7 statements, one by one' },
    ]);
    expect((await query(application.url, 'SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
    const { stdout } = await application.migrate(['resolve']);
    expect(stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME'))
      .toBe(`1 migration is not settled in database "killed" (test):

1_first
  history   failed: began on TIME UTC and did not end
  said      nobody wrote it down: whoever ran it was killed, or lost the connection
  ran       by pgkeep, statement by statement: 2 of 7 applied
  database  all that can be looked for is there: table public.a
  applied   line 1: CREATE TABLE a (id INT)
            line 2: INSERT INTO a VALUES (…)
  not run   line 4: INSERT INTO a VALUES (…)
            line 5: SELECT pg_sleep(…)
            line 7: INSERT INTO a VALUES (…)
  choose    npx pgkeep migrate resolve --rolled-back 1_first    (after you took back by hand what is there)
            npx pgkeep migrate resolve --applied 1_first    (after you made by hand what is not)
`);
    const refused = await application.migrate(['resolve', '--applied', '1_first']);
    expect(message(refused.stderr)).toBe(
      `Refused to resolve: migration 1_first is not applied completely: line 4: INSERT INTO a VALUES (…), line 5: SELECT pg_sleep(…), line 7: INSERT INTO a VALUES (…). Nothing was touched.
Finish it by hand, then the same again. Or, where it is finished:
  npx pgkeep migrate resolve --applied 1_first --anyway
`,
    );
  });

  it('killed in the middle of one transaction: nothing of it is there, and that is known', async () => {
    const application = await bare('killed_whole');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    expect((await application.quickly()).code).toBe(0);
    application.add('2_second', 'INSERT INTO a VALUES (1);\nSELECT pg_sleep(120);\n');
    const deploy = application.start(['--without-backup']);
    await until(sleeps('killed_whole'), 30_000);
    deploy.signal('SIGKILL');
    await deploy.end();
    await query(
      application.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`,
    );
    await until(async () => !(await sleeps('killed_whole')()), 20_000);
    expect(await history(application.url)).toEqual([
      { name: '2_second', finished: false, steps: 0, logs: 'pgkeep: one transaction' },
    ]);
    const refused = await application.deploy();
    expect(refused.stderr.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME')).toBe(
      `Refused to deploy: migration 2_second began on TIME UTC and did not end. Nothing was touched.
pgkeep ran it as one transaction: nothing of it is applied.
See what of it is in the database, and what to choose from:
  npx pgkeep migrate resolve
`,
    );
    expect((await application.migrate(['resolve', '--rolled-back', '2_second'])).code).toBe(0);
    application.add('2_second', 'INSERT INTO a VALUES (1);\n');
    expect((await application.quickly()).code).toBe(0);
    expect((await query(application.url, 'SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
  });

  it('an attempt of stock Prisma that failed: nothing is claimed of its data statements', async () => {
    const application = await bare('stock');
    application.add(
      '1_init',
      'CREATE TABLE "purse" ("id" INT PRIMARY KEY, "cents" INT NOT NULL, "note" TEXT);\n',
    );
    expect((await application.quickly()).code).toBe(0);
    const sql = `SET lock_timeout = '5s';
UPDATE "purse" SET "cents" = "cents" * 100 WHERE "id" > 0;
ALTER TABLE "purse" ADD CONSTRAINT "note_given" CHECK ("note" IS NOT NULL);
`;
    application.add('2_cents', sql);
    await query(application.url, 'INSERT INTO "purse" VALUES (1, 10), (2, 20)');
    // As the native engine leaves it: its row, and what was committed before the statement that failed.
    await query(
      application.url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, logs, started_at)
       VALUES ('x', encode(sha256(convert_to($1, 'UTF8')), 'hex'), '2_cents', $2, '2026-01-02T03:04:05Z')`,
      [
        sql,
        'A migration failed to apply.\n\nDatabase error code: 23514\n\nDatabase error:\nERROR: check constraint "note_given" of relation "purse" is violated by some row',
      ],
    );
    await query(application.url, 'UPDATE "purse" SET "cents" = "cents" * 100 WHERE "id" > 0');
    const state = `2_cents
  history   failed: began on 2026-01-02 03:04:05 UTC and did not end
  said      ERROR: check constraint "note_given" of relation "purse" is violated by some row
  ran       not by pgkeep: since Prisma 7.4 each statement may have been committed by itself
  database  nothing that can be looked for is there: missing: constraint public.purse.note_given
  uncertain line 2: UPDATE "purse" SET "cents" = "cents" * … WHERE "id" > …
  choose    npx pgkeep migrate resolve --rolled-back 2_cents --anyway    (when you know that no uncertain statement is applied)
            npx pgkeep migrate resolve --applied 2_cents    (after you made sure that all of it is applied)
`;
    expect((await application.migrate(['resolve'])).stdout).toBe(
      `1 migration is not settled in database "stock" (test):\n\n${state}`,
    );
    expect(await application.migrate(['resolve', '--rolled-back', '2_cents'])).toEqual({
      code: 3,
      stdout: '',
      stderr: `${state}
Refused to resolve: statements of migration 2_cents may be applied, and nothing in the database shows it: line 2: UPDATE "purse" SET "cents" = "cents" * … WHERE "id" > …; a deploy would run them again. Nothing was touched.
Look at their rows, and undo by hand what is applied. Then, or where nothing is:
  npx pgkeep migrate resolve --rolled-back 2_cents --anyway
`,
    });
    // What stands behind a statement that is not there was not applied either.
    application.add('2_cents', `ALTER TABLE "purse" ADD COLUMN "x" INT;\nUPDATE "purse" SET "x" = 1;\n`);
    expect((await application.migrate(['resolve'])).stdout).toContain(
      `  database  nothing of it is there: missing: column public.purse.x
  choose    npx pgkeep migrate resolve --rolled-back 2_cents    (then mend it, and deploy it again)
`,
    );
  });
});
