import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

const FIRST = '20990101000000_first';
const NAME = '20990102000000_second';
const FAILS = `CREATE TABLE "b" (id INT);
CREATE INDEX "b_id" ON "b" (id);
SELECT 1 / 0;
`;

describe('pgkeep migrate resolve', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** The first migration applied, the second failed. */
  const application = async (name: string, sql = FAILS): Promise<DeployedApplication> => {
    const made = new DeployedApplication(await createDatabase(own, name), { clinic: false });
    made.add(FIRST, 'CREATE TABLE a (id INT);\n');
    expect((await made.quickly()).code).toBe(0);
    made.add(NAME, sql);
    expect((await made.quickly()).code).toBe(1);
    return made;
  };
  const resolve = async (made: DeployedApplication, ...argv: string[]) => {
    const { code, stdout, stderr } = await made.migrate(['resolve', ...argv]);
    return { code, stdout: withoutTime(stdout), stderr: withoutTime(stderr) };
  };
  const withoutTime = (text: string): string =>
    text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/g, 'TIME UTC');
  const history = async (url: string): Promise<string[]> => {
    const { rows } = await query(
      url,
      `SELECT concat_ws(' ', migration_name, CASE WHEN finished_at IS NULL THEN 'unfinished' ELSE 'finished' END,
                        CASE WHEN rolled_back_at IS NOT NULL THEN 'rolled back' END, applied_steps_count) AS row
         FROM _prisma_migrations ORDER BY started_at`,
    );
    return rows.map(({ row }) => String(row));
  };
  const refusal = (stderr: string): string => stderr.slice(stderr.indexOf('Refused'));

  const NOTHING_THERE = `${NAME}
  history   failed: started on TIME UTC and did not finish
  error     ERROR: division by zero
  ran       by pgkeep, as one transaction, which PostgreSQL rolled back
  database  none of it exists; missing: table public.b, index public.b_id
  options   npx pgkeep migrate resolve --rolled-back ${NAME}    (then fix it and deploy again)
`;

  it('nothing to resolve', async () => {
    const made = new DeployedApplication(await createDatabase(own, 'clean'), { clinic: false });
    made.add(FIRST, 'CREATE TABLE a (id INT);\n');
    const text =
      'Nothing to resolve: no migration of database "clean" (test) is failed, rolled back or unknown.\n';
    expect(await resolve(made)).toEqual({ code: 0, stdout: text, stderr: '' });
    expect((await made.quickly()).code).toBe(0);
    expect(await resolve(made)).toEqual({ code: 0, stdout: text, stderr: '' });
  });

  it('explains a failed one, marks it as rolled back, records it; then it deploys', async () => {
    const made = await application('explains');
    const settings = { NODE_ENV: 'test', DATABASE_URL: made.url };
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect(await resolve(made)).toEqual({
      code: 1,
      stderr: '',
      stdout: `1 migration to resolve in database "explains" (test):\n\n${NOTHING_THERE}`,
    });
    expect((await made.migrate(['status'])).stdout).toContain(
      '1 failed: `pgkeep migrate resolve` shows what was applied and the options\n',
    );

    const contradicted = await resolve(made, '--applied', NAME);
    expect(contradicted).toEqual({
      code: 3,
      stdout: '',
      stderr: `${NOTHING_THERE}
Refused to resolve: migration ${NAME} is not in the database: missing: table public.b, index public.b_id. Nothing was touched.
Create what is missing by hand, then run the command again. To mark it as applied regardless:
  npx pgkeep migrate resolve --applied ${NAME} --anyway
`,
    });
    expect(await history(made.url)).toEqual([`${FIRST} finished 1`, `${NAME} unfinished 0`]);

    expect(await resolve(made, '--rolled-back', NAME)).toEqual({
      code: 0,
      stderr: `${NOTHING_THERE}\n`,
      stdout: `Migration ${NAME} is marked as rolled back in database "explains" (test). Nothing was run. The next \`pgkeep migrate deploy\` applies it again: fix it first.\n`,
    });
    expect(await history(made.url)).toEqual([`${FIRST} finished 1`, `${NAME} unfinished rolled back 0`]);
    const { rows } = await query(
      made.url,
      'SELECT action, subject, details FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1',
    );
    expect(rows).toEqual([
      {
        action: 'resolve',
        subject: 'explains',
        details: {
          environment: 'test',
          migration: NAME,
          mark: 'rolled back',
          there: [],
          notThere: ['table public.b', 'index public.b_id'],
          anyway: false,
        },
      },
    ]);
    const again = await resolve(made, '--rolled-back', NAME);
    expect(refusal(again.stderr)).toBe(
      `Refused to resolve: migration ${NAME} is already rolled back. Nothing was touched.\nThere is nothing to do.\n`,
    );
    made.add(NAME, FAILS.replace('SELECT 1 / 0;\n', ''));
    expect((await made.quickly()).code).toBe(0);
    expect((await resolve(made)).code).toBe(0);
  });

  it('a script that committed before the process was killed: everything exists', async () => {
    const made = await application('committed');
    await query(
      made.url,
      `CREATE TABLE "b" (id INT); CREATE INDEX "b_id" ON "b" (id);
       UPDATE _prisma_migrations SET logs = NULL WHERE migration_name = '${NAME}'`,
    );
    const { stdout } = await resolve(made);
    expect(stdout).toBe(`1 migration to resolve in database "committed" (test):

${NAME}
  history   failed: started on TIME UTC and did not finish
  error     not recorded: the program that ran it was killed or lost its connection
  ran       not by pgkeep: since Prisma 7.4 each statement may have been committed separately
  database  everything that pgkeep can look for exists: table public.b, index public.b_id
  uncertain line 3: SELECT … / …
  options   npx pgkeep migrate resolve --applied ${NAME}    (if the uncertain statements were applied too)
            npx pgkeep migrate resolve --rolled-back ${NAME} --anyway    (after undoing all of it by hand)
`);
    const refused = await resolve(made, '--rolled-back', NAME);
    expect(refusal(refused.stderr)).toBe(
      `Refused to resolve: objects of migration ${NAME} exist: table public.b, index public.b_id; a deploy would create them again and fail. Nothing was touched.
Everything that pgkeep can look for exists: \`npx pgkeep migrate resolve --applied ${NAME}\`
To mark it as rolled back regardless:
  npx pgkeep migrate resolve --rolled-back ${NAME} --anyway
`,
    );
    expect(refused.code).toBe(3);
    const applied = await resolve(made, '--applied', NAME);
    expect(applied.stdout).toBe(
      `Migration ${NAME} is marked as applied in database "committed" (test). None of it was run.\nDone, but not recorded: Cannot record resolve in the audit log: the database has no table pgkeep.change_log. Run \`pgkeep install\`.\n`,
    );
    // The same rows as Prisma writes: the failed attempt rolled back, and a finished one without steps.
    expect(await history(made.url)).toEqual([
      `${FIRST} finished 1`,
      `${NAME} unfinished rolled back 0`,
      `${NAME} finished 0`,
    ]);
    expect((await made.deploy()).stdout).toContain('is up to date');
  });

  it('a script of which a part exists: refused both ways, unless --anyway is given', async () => {
    const made = await application(
      'some',
      'BEGIN;\nCREATE TABLE "b" (id INT);\nCOMMIT;\nBEGIN;\nCREATE INDEX "b_id" ON "b" (id);\nSELECT 1 / 0;\nCOMMIT;\n',
    );
    const { stdout } = await resolve(made);
    expect(stdout).toContain(`  ran       by pgkeep, statement by statement: 3 of 7 applied
  database  some of it exists
            present: table public.b
            missing: index public.b_id
  applied   line 2: CREATE TABLE "b" (id INT)
  not run   line 5: CREATE INDEX "b_id" ON "b" (id)
            line 6: SELECT … / …
  options   npx pgkeep migrate resolve --rolled-back ${NAME}    (after undoing by hand what exists)
            npx pgkeep migrate resolve --applied ${NAME}    (after creating by hand what is missing)
`);
    expect((await resolve(made, '--rolled-back', NAME)).code).toBe(3);
    expect((await resolve(made, '--applied', NAME)).code).toBe(3);
    expect((await resolve(made, '--applied', NAME, '--anyway', '--json')).code).toBe(0);
    expect((await history(made.url)).at(-1)).toBe(`${NAME} finished 0`);
  });

  it('a baseline: a pending migration is marked as applied if its tables exist', async () => {
    const url = await createDatabase(own, 'baseline');
    await query(url, 'CREATE TABLE a (id INT)');
    const made = new DeployedApplication(url, { clinic: false });
    made.add(FIRST, 'CREATE TABLE a (id INT);\n').add(NAME, 'CREATE TABLE b (id INT);\n');
    expect((await made.deploy()).stderr).toBe(
      `Refused to deploy: the database has tables (public.a) and no migration history. Nothing was touched.
Mark the migrations that created these tables as applied, the first one first: \`npx pgkeep migrate resolve --applied ${FIRST}\`
`,
    );
    expect((await resolve(made, '--applied', FIRST)).code).toBe(0);
    expect(refusal((await resolve(made, '--applied', NAME)).stderr)).toContain(
      `migration ${NAME} is not in the database: missing: table public.b.`,
    );
    expect((await made.quickly()).code).toBe(0);
    expect(await history(url)).toEqual([`${FIRST} finished 0`, `${NAME} finished 1`]);
  });

  it('names that cannot be resolved: never started, applied, not in the directory; both options together', async () => {
    const made = await application('names');
    const why = async (...argv: string[]) => refusal((await resolve(made, ...argv)).stderr);
    expect(await why('--rolled-back', 'nonsense')).toBe(
      'Refused to resolve: migration nonsense was never started. Nothing was touched.\n`pgkeep migrate deploy` applies pending migrations.\n',
    );
    expect(await why('--applied', 'nonsense')).toBe(
      "Refused to resolve: nonsense/migration.sql is not in this directory, and the history records its checksum. Nothing was touched.\nRestore it from version control. To find it: `git log --all --oneline -- '*/nonsense/*'`\n",
    );
    expect(await why('--rolled-back', FIRST)).toBe(
      `Refused to resolve: migration ${FIRST} is applied. Nothing was touched.\nTo roll it back: \`npx pgkeep migrate rollback ${FIRST}\`\n`,
    );
    expect(await why('--applied', FIRST)).toBe(
      `Refused to resolve: migration ${FIRST} is already applied. Nothing was touched.\nThere is nothing to do.\n`,
    );
    expect(await resolve(made, '--applied', NAME, '--rolled-back', NAME)).toEqual({
      code: 2,
      stdout: '',
      stderr:
        '--rolled-back and --applied exclude each other.\nRun `pgkeep migrate resolve` without options to see which one fits.\n',
    });
  });

  it('a migration that is not in this directory, failed or applied; one that creates nothing', async () => {
    const made = await application('elsewhere', 'UPDATE a SET id = 1 / 0;\nSELECT 1 / 0;\n');
    const { stdout } = await resolve(made);
    expect(stdout).toContain(`  ran       by pgkeep, as one transaction, which PostgreSQL rolled back
  database  none of it exists
  options   npx pgkeep migrate resolve --rolled-back ${NAME}    (then fix it and deploy again)
`);
    made.remove(NAME).remove(FIRST).add('20980101000000_zero', 'SELECT 1;');
    expect((await resolve(made)).stdout).toBe(`2 migrations to resolve in database "elsewhere" (test):

${FIRST}
  history   applied on TIME UTC, and not in this directory: the database is ahead of this build
  database  cannot be checked: its migration.sql is not in this directory
  options   git log --all --oneline -- '*/${FIRST}/*'    (finds the commit that contains it)

${NAME}
  history   failed: started on TIME UTC and did not finish
  error     ERROR: division by zero
  ran       by pgkeep, as one transaction, which PostgreSQL rolled back
  database  cannot be checked: its migration.sql is not in this directory
  options   npx pgkeep migrate resolve --rolled-back ${NAME}    (if none of it was applied)
`);
    expect((await resolve(made, '--rolled-back', NAME)).code).toBe(0);
  });

  it('respects the guard, and runs one at a time', async () => {
    const made = await application('guarded');
    const settings = { NODE_ENV: 'test', DATABASE_URL: made.url };
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect((await runCli(['stamp', 'staging'], settings)).code).toBe(0);
    const test = await made.migrate(['resolve', '--rolled-back', NAME]);
    expect(test.stderr).toMatch(
      /^Refused to run `prisma migrate resolve`: database "guarded" \(\S+\) is stamped staging, and NODE_ENV is test\. Nothing was touched\.\n/,
    );
    expect(test.code).toBe(3);
    const development = await made.migrate(['resolve', '--rolled-back', NAME], { NODE_ENV: 'development' });
    expect(refusal(development.stderr)).toBe(
      `Refused to resolve: this is development (NODE_ENV), and the database is stamped staging. Nothing was touched.
Use \`--env staging\`, or point DATABASE_URL at the development database.
`,
    );
    expect(development.code).toBe(3);
    expect((await history(made.url)).at(-1)).toBe(`${NAME} unfinished 0`);
  });
});
