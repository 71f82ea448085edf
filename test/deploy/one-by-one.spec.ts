import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { endSleepers, failureOf, newestAttempt, sleepsIn } from '../support/migration-runs.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

// Each test starts programs, several of them.
jest.setTimeout(120_000);

describe('a migration that is not one transaction', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const bare = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createDatabase(own, name), { clinic: false });

  it('cannot run as one transaction: reported, and the applied statements are recorded', async () => {
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
PostgreSQL reported: invalid input value for enum e: "c" (22P02)
The migration did not run as one transaction: statements 1 to 2 remain applied.
Undo by hand what was applied, fix prisma/migrations/2_second/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
Or finish it by hand. To see its statements and the command:
  npx pgkeep migrate resolve
`);
    expect(await newestAttempt(application.url)).toEqual({
      name: '2_second',
      finished: false,
      steps: 2,
      logs: expect.stringMatching(
        /^pgkeep: 4 statements, one by one\nA migration failed to apply\. New migrations cannot be applied before [^]*\n\nMigration name: 2_second\n\nDatabase error code: 22P02\n\nDatabase error:\nERROR: invalid input value for enum e: "c"\n\nPosition:\n {2}1 ALTER TYPE e ADD VALUE 'b';\n {2}2 INSERT INTO t VALUES \('b'\);\n {2}3 INSERT INTO t VALUES \('c'\);\n/,
      ),
    });
    const refused = await application.deploy();
    expect(refused.stderr.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME')).toBe(
      `Refused to deploy: migration 2_second started on TIME UTC and did not finish. Nothing was touched.
Its error (the complete text is in column logs of _prisma_migrations): ERROR: invalid input value for enum e: "c"
pgkeep ran it statement by statement: 2 of 4 were applied.
To see what was applied and the options:
  npx pgkeep migrate resolve
`,
    );
  });

  it('killed between statements: the history records which are applied', async () => {
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
    await until(() => sleepsIn(application.url), 30_000);
    deploy.signal('SIGKILL');
    await deploy.end();
    await endSleepers(application.url);
    expect(await newestAttempt(application.url)).toEqual({
      name: '1_first',
      finished: false,
      steps: 2,
      logs: 'pgkeep: 7 statements, one by one',
    });
    expect((await query(application.url, 'SELECT id FROM a')).rows).toEqual([{ id: 1 }]);
    const { stdout } = await application.migrate(['resolve']);
    expect(stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME'))
      .toBe(`1 migration to resolve in database "killed" (test):

1_first
  history   failed: started on TIME UTC and did not finish
  error     not recorded: the program that ran it was killed or lost its connection
  ran       by pgkeep, statement by statement: 2 of 7 applied
  database  everything that pgkeep can look for exists: table public.a
  applied   line 1: CREATE TABLE a (id INT)
            line 2: INSERT INTO a VALUES (…)
  not run   line 4: INSERT INTO a VALUES (…)
            line 5: SELECT pg_sleep(…)
            line 7: INSERT INTO a VALUES (…)
  options   npx pgkeep migrate resolve --rolled-back 1_first    (after undoing by hand what exists)
            npx pgkeep migrate resolve --applied 1_first    (after creating by hand what is missing)
`);
    const refused = await application.migrate(['resolve', '--applied', '1_first']);
    expect(failureOf(refused.stderr)).toBe(
      `Refused to resolve: migration 1_first is not applied completely: line 4: INSERT INTO a VALUES (…), line 5: SELECT pg_sleep(…), line 7: INSERT INTO a VALUES (…). Nothing was touched.
Finish it by hand, then run the command again. If it is finished already:
  npx pgkeep migrate resolve --applied 1_first --anyway
`,
    );
  });

  it('statements that are recorded as applied but were undone by hand can be deployed again', async () => {
    const application = await bare('undone');
    application.add('0_init', 'CREATE TABLE seat (id INT PRIMARY KEY, "row" INT);\n');
    expect((await application.quickly()).code).toBe(0);
    await query(application.url, 'INSERT INTO seat VALUES (1, 1), (2, 1)');
    application.add(
      '1_first',
      `ALTER TABLE seat ADD COLUMN z INT;
CREATE UNIQUE INDEX CONCURRENTLY seat_row ON seat ("row");
`,
    );
    expect((await application.quickly()).code).toBe(1);
    await query(application.url, 'DROP INDEX seat_row');
    await query(application.url, 'ALTER TABLE seat DROP COLUMN z');
    const { stdout } = await application.migrate(['resolve']);
    expect(stdout.replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME'))
      .toBe(`1 migration to resolve in database "undone" (test):

1_first
  history   failed: started on TIME UTC and did not finish
  error     ERROR: could not create unique index "seat_row"
  ran       by pgkeep, statement by statement: 1 of 2 applied
  database  none of it exists; missing: column public.seat.z, index public.seat_row
  not run   line 1: ALTER TABLE seat ADD COLUMN z INT
            line 2: CREATE UNIQUE INDEX CONCURRENTLY seat_row ON seat ("row")
  options   npx pgkeep migrate resolve --rolled-back 1_first    (then fix it and deploy again)
`);
    await query(application.url, 'DELETE FROM seat WHERE id = 2');
    expect((await application.migrate(['resolve', '--rolled-back', '1_first'])).code).toBe(0);
    expect((await application.quickly()).code).toBe(0);
  });

  it('interrupted between statements that commit: reports what remains applied', async () => {
    const application = await bare('stopped');
    application.add(
      '1_first',
      'CREATE TABLE b (id INT);\nBEGIN;\nINSERT INTO b VALUES (1);\nCOMMIT;\nSELECT pg_sleep(120);\n',
    );
    const deploy = application.start(['--without-backup']);
    await until(() => sleepsIn(application.url), 30_000);
    deploy.signal('SIGINT');
    expect((await deploy.end()).code).toBe(130);
    expect(failureOf(deploy.stderr))
      .toBe(`Migration 1_first was interrupted at statement 5 of 5, prisma/migrations/1_first/migration.sql:5:1
  SELECT pg_sleep(120);
PostgreSQL reported: canceling statement due to user request (57014)
The migration did not run as one transaction: statements 1 to 4 remain applied.
Undo by hand what was applied, fix prisma/migrations/1_first/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 1_first
  npx pgkeep migrate deploy
Or finish it by hand. To see its statements and the command:
  npx pgkeep migrate resolve
`);
    expect(await newestAttempt(application.url)).toEqual({
      name: '1_first',
      finished: false,
      steps: 4,
      logs: expect.stringMatching(/^pgkeep: 5 statements, one by one\n/),
    });
  });

  it('a history that cannot be written: reports what is applied', async () => {
    const application = await bare('between');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    application.add(
      '2_second',
      `CREATE FUNCTION ends() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.finished_at IS NULL AND NEW.migration_name = '3_third' THEN RAISE EXCEPTION 'no third'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ends BEFORE INSERT ON _prisma_migrations FOR EACH ROW EXECUTE FUNCTION ends();
`,
    );
    application.add('3_third', 'CREATE TABLE b (id INT);\n').add('4_fourth', 'CREATE TABLE c (id INT);\n');
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(stderr.slice(stderr.indexOf('Stopped'))).toBe(`Stopped between two migrations: no third
Applied and kept: 1_first, 2_second.
Not run: 3_third, 4_fourth.
To deploy the rest:
  npx pgkeep migrate deploy
`);
  });

  it('a statement that does not get its lock is retried alone', async () => {
    const application = await bare('tried_again');
    application.add('1_first', 'CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n');
    expect((await application.quickly()).code).toBe(0);
    application.add(
      '2_second',
      'BEGIN;\nUPDATE a SET id = id + 1 WHERE id > 0;\nCOMMIT;\nALTER TABLE a ADD COLUMN b INT;\n',
    );
    const blocker = new Client({ connectionString: application.url });
    await blocker.connect();
    await blocker.query('BEGIN; SELECT FROM a');
    const deploy = application.start(['--without-backup'], { MIGRATIONS_LOCK_TIMEOUT: '200' });
    await until(() => deploy.stderr.includes('retrying in 1 s'), 30_000);
    await blocker.end();
    expect((await deploy.end()).code).toBe(0);
    expect(deploy.stdout).toContain('  retried for a lock: once\n');
    expect((await query(application.url, 'SELECT id FROM a')).rows).toEqual([{ id: 2 }]);
  });

  it('a failed attempt of stock Prisma: reports data statements as unknown', async () => {
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
    // As the native engine leaves it: its row, and what was committed before the failed statement.
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
  history   failed: started on 2026-01-02 03:04:05 UTC and did not finish
  error     ERROR: check constraint "note_given" of relation "purse" is violated by some row
  ran       not by pgkeep: since Prisma 7.4 each statement may have been committed separately
  database  nothing that pgkeep can look for exists; missing: constraint public.purse.note_given
  uncertain line 2: UPDATE "purse" SET "cents" = "cents" * … WHERE "id" > …
  options   npx pgkeep migrate resolve --rolled-back 2_cents --anyway    (if you know that no uncertain statement was applied)
            npx pgkeep migrate resolve --applied 2_cents    (after making sure that all of it was applied)
`;
    expect((await application.migrate(['resolve'])).stdout).toBe(
      `1 migration to resolve in database "stock" (test):\n\n${state}`,
    );
    expect(await application.migrate(['resolve', '--rolled-back', '2_cents'])).toEqual({
      code: 3,
      stdout: '',
      stderr: `${state}
Refused to resolve: statements of migration 2_cents may be applied (nothing in the database shows it): line 2: UPDATE "purse" SET "cents" = "cents" * … WHERE "id" > …; a deploy would run them again. Nothing was touched.
Check their rows and undo by hand what was applied. Then, or if nothing was applied:
  npx pgkeep migrate resolve --rolled-back 2_cents --anyway
`,
    });
    // An idempotent statement is no reason to refuse.
    application.add(
      '2_cents',
      `CREATE TABLE IF NOT EXISTS "purse" ("id" INT);\nCOMMENT ON TABLE "purse" IS 'x';\nALTER TABLE "purse" ADD COLUMN "x" INT;\n`,
    );
    expect((await application.migrate(['resolve'])).stdout).toContain(
      '  database  none of it exists; missing: column public.purse.x\n  options ',
    );
    // An existing object does not show whether the other statements were applied.
    application.add(
      '2_cents',
      `CREATE TABLE "shown" ("id" INT);\nUPDATE "purse" SET "cents" = 1;\nALTER TABLE "purse" ADD COLUMN "x" INT;\n`,
    );
    await query(application.url, 'CREATE TABLE "shown" ("id" INT)');
    const { stdout } = await application.migrate(['resolve']);
    expect(stdout.slice(stdout.indexOf('  database'))).toBe(`  database  some of it exists
            present: table public.shown
            missing: column public.purse.x
  uncertain line 2: UPDATE "purse" SET "cents" = …
  options   npx pgkeep migrate resolve --rolled-back 2_cents    (after undoing what exists and the uncertain statements that were applied)
            npx pgkeep migrate resolve --applied 2_cents    (after applying what is missing and the uncertain statements that were not applied)
`);
    // If the object of an earlier statement is missing, later statements were not applied, unless it was dropped by
    // hand.
    application.add('2_cents', `ALTER TABLE "purse" ADD COLUMN "x" INT;\nUPDATE "purse" SET "x" = 1;\n`);
    expect((await application.migrate(['resolve'])).stdout).toContain(
      `  database  none of it exists; missing: column public.purse.x
  assumed   line 2: UPDATE "purse" SET "x" = …
            not run, because the object of an earlier statement is missing; if you dropped it by hand, check their rows
  options   npx pgkeep migrate resolve --rolled-back 2_cents    (if you dropped nothing by hand; then fix it and deploy again)
`,
    );
  });
});
