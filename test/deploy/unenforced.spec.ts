import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

const FIRST = '20990101000000_init';
const NAME = '20990102000000_unique';
const IF_NOT_EXISTS = `CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "seat_row_key" ON "seat" ("row");\n`;

describe('objects that exist but are not used or enforced', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const application = async (name: string, sql: string): Promise<DeployedApplication> => {
    const made = new DeployedApplication(await createDatabase(own, name), { clinic: false });
    made.add(FIRST, sql);
    expect((await made.quickly()).code).toBe(0);
    return made;
  };
  const seats = async (name: string): Promise<DeployedApplication> => {
    const made = await application(name, 'CREATE TABLE "seat" ("id" INT PRIMARY KEY, "row" INT);\n');
    await query(made.url, 'INSERT INTO "seat" VALUES (1, 1), (2, 1)');
    return made.add(NAME, IF_NOT_EXISTS);
  };
  const message = (stderr: string): string => stderr.slice(stderr.search(/^(?:Refused|Migration) /m));
  const withoutTime = (text: string): string =>
    text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'TIME UTC');
  const careful = (stdout: string): string[] =>
    stdout.split('\n').filter((line) => line.startsWith('  WARNING'));
  /** The details of /ready's `migrations` check. */
  const reported = async ({ url, migrations }: DeployedApplication): Promise<unknown> => {
    const settings = { NODE_ENV: 'test', DATABASE_URL: url, MIGRATIONS_DIR: migrations };
    const { stdout } = await runCli(['ready', '--json'], settings);
    const verdict: unknown = JSON.parse(stdout);
    expect(verdict).toMatchObject({ checks: { migrations: { ok: expect.any(Boolean) } } });
    return Reflect.get(
      Object(Reflect.get(Object(Reflect.get(Object(verdict), 'checks')), 'migrations')),
      'details',
    );
  };

  it('an invalid unique index does not satisfy IF NOT EXISTS: the deploy fails until it is dropped', async () => {
    const made = await seats('invalid');
    const file = `prisma/migrations/${NAME}/migration.sql`;
    const first = await made.quickly();
    expect(first.code).toBe(1);
    const steps = `Undo by hand what was applied, fix ${file}, then:
  DROP INDEX CONCURRENTLY public.seat_row_key;    (in psql)
  npx pgkeep migrate resolve --rolled-back ${NAME}
  npx pgkeep migrate deploy
`;
    expect(message(first.stderr)).toBe(`Migration ${NAME} failed at statement 1 of 1, ${file}:1:1
  CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "seat_row_key" ON "seat" ("row");
PostgreSQL reported: could not create unique index "seat_row_key" (23505); DETAIL: Key ("row")=(…) is duplicated.
The values of the row are in column logs of _prisma_migrations; they may be personal data.
The migration did not run as one transaction. Invalid indexes: public.seat_row_key.
${steps}`);
    expect(withoutTime((await made.migrate(['resolve'])).stdout)).toBe(
      `1 migration to resolve in database "invalid" (test):

${NAME}
  history   failed: started on TIME UTC and did not finish
  error     ERROR: could not create unique index "seat_row_key"
  ran       by pgkeep, statement by statement: 0 of 1 applied
  database  none of it exists, except invalid indexes
  not run   line 1: CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "seat_row_key" ON "seat" ("row")
  invalid   index public.seat_row_key
  options   DROP INDEX CONCURRENTLY public.seat_row_key;    (first, in psql: the index is invalid)
            npx pgkeep migrate resolve --rolled-back ${NAME}    (then fix it and deploy again)
`,
    );
    expect(message((await made.migrate(['resolve', '--applied', NAME])).stderr)).toBe(
      `Refused to resolve: migration ${NAME} is not applied completely: line 1: CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "seat_row_key" ON "seat" ("row"), index public.seat_row_key is invalid. Nothing was touched.
Finish it by hand, then run the command again. If it is finished already:
  npx pgkeep migrate resolve --applied ${NAME} --anyway
`,
    );
    expect(await reported(made)).toBe(
      'Migration issues: 1 failed; index public.seat_row_key is not valid (DROP INDEX CONCURRENTLY public.seat_row_key;)',
    );
    await query(made.url, 'DELETE FROM "seat" WHERE "id" = 2');
    expect((await made.migrate(['resolve', '--rolled-back', NAME])).code).toBe(0);
    expect(withoutTime((await made.migrate(['resolve'])).stdout)).toBe(
      `1 migration to resolve in database "invalid" (test):

${NAME}
  history   rolled back and not applied since; started on TIME UTC
  database  nothing that pgkeep can look for exists, except invalid indexes
  invalid   index public.seat_row_key
  options   DROP INDEX CONCURRENTLY public.seat_row_key;    (first, in psql: the index is invalid)
            npx pgkeep migrate deploy    (applies it again; if it is not wanted, delete its directory)
`,
    );

    const second = await made.quickly();
    expect(second.code).toBe(1);
    expect(message(second.stderr)).toBe(`Migration ${NAME} failed at statement 1 of 1, ${file}:1:1
  CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS "seat_row_key" ON "seat" ("row");
Index public.seat_row_key already existed and is invalid: IF NOT EXISTS did nothing, and PostgreSQL does not use the index.
The migration did not run as one transaction. Invalid indexes: public.seat_row_key.
${steps}`);
    await query(made.url, 'DROP INDEX CONCURRENTLY public.seat_row_key');
    expect((await made.migrate(['resolve', '--rolled-back', NAME])).code).toBe(0);
    expect((await made.quickly()).code).toBe(0);
    expect(await reported(made)).toBe('2/2 migrations applied');
    await expect(query(made.url, 'INSERT INTO "seat" VALUES (3, 1)')).rejects.toThrow('seat_row_key');
  });

  it.each([
    ['quotes', 'CREATE UNIQUE INDEX CONCURRENTLY "se""at Row" ON "seat" ("row");', 'public."se""at Row"'],
    ['unnamed', 'CREATE UNIQUE INDEX CONCURRENTLY ON "seat" ("row");', 'public.seat_row_idx'],
  ])(
    'an invalid index whose name is written differently in the file, or not at all: %s',
    async (name, sql, index) => {
      const made = (await seats(name)).add(NAME, `${sql}\n`);
      expect((await made.quickly()).code).toBe(1);
      const { stdout } = await made.migrate(['resolve']);
      expect(stdout.slice(stdout.indexOf('  invalid'))).toBe(`  invalid   index ${index}
  options   DROP INDEX CONCURRENTLY ${index};    (first, in psql: the index is invalid)
            npx pgkeep migrate resolve --rolled-back ${NAME}    (then fix it and deploy again)
`);
    },
  );

  it('the copy that REINDEX CONCURRENTLY leaves', async () => {
    const made = await seats('reindexed');
    await query(made.url, 'CREATE INDEX "seat_row" ON "seat" ("row")');
    made.add(NAME, 'REINDEX TABLE CONCURRENTLY "seat";\n');
    const holder = new Client({ connectionString: made.url });
    await holder.connect();
    await holder.query('BEGIN; SELECT FROM "seat"');
    expect((await made.quickly()).code).toBe(1);
    await holder.end();
    const { stdout } = await made.migrate(['resolve']);
    expect(stdout).toContain(
      `            DROP INDEX CONCURRENTLY public.seat_row_ccold;    (first, in psql: the index is invalid)\n`,
    );
  });

  it('an invalid index in one transaction: the rest of the file is rolled back', async () => {
    const made = await seats('in_one');
    await query(made.url, IF_NOT_EXISTS).catch(() => undefined);
    made.add(NAME, `CREATE TABLE "b" ("id" INT);\n${IF_NOT_EXISTS.replace('CONCURRENTLY ', '')}`);
    const { code, stderr } = await made.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toContain(
      `Index public.seat_row_key already existed and is invalid: IF NOT EXISTS did nothing, and PostgreSQL does not use the index.
The migration was rolled back completely: the database is as it was before it.
Drop the invalid indexes, then:
  DROP INDEX CONCURRENTLY public.seat_row_key;    (in psql)
`,
    );
    expect((await query(made.url, `SELECT to_regclass('b') AS b`)).rows).toEqual([{ b: null }]);
  });

  it('IF NOT EXISTS and IF EXISTS without effect, because another object has the name', async () => {
    const made = await application(
      'others',
      `CREATE TABLE "a" ("id" INT, "kind" TEXT);
CREATE VIEW "v" AS SELECT 1 AS "id";
CREATE INDEX "a_idx" ON "a" ("kind");
CREATE TABLE "p" ("id" INT) PARTITION BY RANGE ("id");
CREATE TABLE "p1" PARTITION OF "p" FOR VALUES FROM (1) TO (2);
`,
    );
    made.add(
      NAME,
      `CREATE TABLE IF NOT EXISTS "a" ("id" BIGINT, "name" TEXT);
CREATE TABLE IF NOT EXISTS "v" ("id" INT);
ALTER TABLE "a" ADD COLUMN IF NOT EXISTS "kind" INT[];
CREATE INDEX IF NOT EXISTS "a_idx" ON "a" ("id");
CREATE INDEX IF NOT EXISTS "v" ON "a" ("id");
ALTER TABLE IF EXISTS "gone" ADD COLUMN "x" INT;
CREATE TABLE IF NOT EXISTS "new" ("id" SERIAL, "tags" TEXT[], "at" TIMESTAMPTZ(3), "code" VARCHAR(8));
CREATE UNIQUE INDEX IF NOT EXISTS "new_idx" ON "new" ("code" DESC, "id");
CREATE INDEX IF NOT EXISTS "p_idx" ON ONLY "p" ("id");
`,
    );
    const { code, stdout } = await made.quickly();
    expect(code).toBe(0);
    expect(careful(stdout)).toEqual([
      `  WARNING   ${NAME}: IF NOT EXISTS did nothing: table "a" already existed and has column id as integer, has no column name`,
      `  WARNING   ${NAME}: CREATE … IF NOT EXISTS did nothing: public.v is a view, not a table`,
      `  WARNING   ${NAME}: IF NOT EXISTS did nothing: table "a" already existed and has column kind as text`,
      `  WARNING   ${NAME}: CREATE INDEX IF NOT EXISTS did nothing: public.a_idx already existed and is on (kind)`,
      `  WARNING   ${NAME}: CREATE INDEX IF NOT EXISTS did nothing: "v" is not an index`,
      `  WARNING   ${NAME}: ALTER TABLE IF EXISTS did nothing: there is no table "gone"`,
      '  WARNING   index public.p_idx is not attached for every partition: ALTER INDEX public.p_idx ATTACH PARTITION …;',
    ]);
  });

  it('what a deploy leaves unenforced: reported with the fix, unless the script says so', async () => {
    const made = await application(
      'left',
      `CREATE TABLE "a" ("id" INT PRIMARY KEY, "b" INT);
CREATE TABLE "c" ("id" INT REFERENCES "a");
CREATE FUNCTION f() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "t" BEFORE INSERT ON "a" FOR EACH ROW EXECUTE FUNCTION f();
CREATE TABLE "p" ("id" INT) PARTITION BY RANGE ("id");
CREATE TABLE "p1" PARTITION OF "p" FOR VALUES FROM (1) TO (2);
`,
    );
    made.add(
      NAME,
      `-- pgkeep:allow not-valid because it is validated later
ALTER TABLE "a" ADD CONSTRAINT "said" CHECK ("b" > 0) NOT VALID;
DO $$ BEGIN EXECUTE 'ALTER TABLE "a" ADD CONSTRAINT "unsaid" CHECK ("b" > 1) NOT' || ' VALID'; END $$;
-- pgkeep:allow weakened-protection because the load that follows enables it again
ALTER TABLE "a" DISABLE TRIGGER "t";
-- pgkeep:allow weakened-protection because the load that follows enables it again
ALTER TABLE "c" DISABLE TRIGGER ALL;
CREATE INDEX "p_idx" ON ONLY "p" ("id");
`,
    );
    const { code, stdout } = await made.quickly();
    expect(code).toBe(0);
    expect(careful(stdout)).toEqual([
      '  WARNING   trigger public.a.t is disabled: ALTER TABLE public.a ENABLE TRIGGER t;',
      '  WARNING   constraint public.c.c_id_fkey is not enforced: ALTER TABLE public.c ENABLE TRIGGER ALL;',
      '  WARNING   constraint public.a.unsaid is not validated: ALTER TABLE public.a VALIDATE CONSTRAINT unsaid;',
      '  WARNING   index public.p_idx is not attached for every partition: ALTER INDEX public.p_idx ATTACH PARTITION …;',
    ]);
    expect(await reported(made)).toBe(
      '2/2 migrations applied; constraint public.c.c_id_fkey is not enforced (ALTER TABLE public.c ENABLE TRIGGER ALL;); 2 constraints are not validated: public.a.said, public.a.unsaid; trigger public.a.t is disabled (ALTER TABLE public.a ENABLE TRIGGER t;); index public.p_idx is not attached for every partition (ALTER INDEX public.p_idx ATTACH PARTITION …;)',
    );
  });

  it('an index that is being built is not reported, even to a role that may not see the building session', async () => {
    const made = await application('building', 'CREATE TABLE "a" ("id" INT);\n');
    const ready = '1/1 migrations applied';
    await query(
      made.url,
      `CREATE ROLE watcher LOGIN PASSWORD 'watcher'; GRANT SELECT ON _prisma_migrations TO watcher`,
    );
    const writer = new Client({ connectionString: made.url });
    await writer.connect();
    await writer.query('BEGIN; INSERT INTO a VALUES (1)');
    const building = query(made.url, 'CREATE INDEX CONCURRENTLY "a_idx" ON "a" ("id")');
    await until(async () => {
      const { rows } = await query(made.url, `SELECT FROM pg_index WHERE indexrelid = to_regclass('a_idx')`);
      return rows.length > 0;
    }, 20_000);
    expect(await reported(made)).toBe(ready);
    const watching = {
      url: made.url.replace(/\/\/[^@]*@/, '//watcher:watcher@'),
      migrations: made.migrations,
    };
    expect(await reported(Object.assign(Object.create(made), watching))).toBe(ready);
    await writer.query('COMMIT');
    await writer.end();
    await building;

    const reader = new Client({ connectionString: made.url });
    await reader.connect();
    await reader.query('BEGIN; SELECT FROM a');
    const dropping = query(made.url, 'DROP INDEX CONCURRENTLY "a_idx"');
    await until(async () => {
      const { rows } = await query(made.url, `SELECT FROM pg_index WHERE NOT indisvalid`);
      return rows.length > 0;
    }, 20_000);
    expect(await reported(made)).toBe(ready);
    await reader.query('COMMIT');
    await reader.end();
    await dropping;
  });
});
