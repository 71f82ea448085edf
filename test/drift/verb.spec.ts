import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { applyMigrations } from '../../src/migrations/schema-engine.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const REMEDY =
  'Add a migration, or revert it. To accept the current structure: `pgkeep migrate drift --accept`.\n';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

describe('pgkeep migrate drift', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const application = await clinic('recorded');
    expect((await run(application, ['install'])).code).toBe(0);
    expect((await drift(application, '--accept')).code).toBe(0);
  });
  afterAll(() => own.cluster.destroy());

  const clinic = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createClinic(own, name, { seeded: true }));
  const run = async ({ url, directory }: DeployedApplication, argv: readonly string[], environment = {}) => {
    const answer = await runCli(
      argv,
      { NODE_ENV: 'test', DATABASE_URL: url, ...environment },
      { cwd: directory },
    );
    const withoutTimes = (text: string): string => text.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME');
    return { ...answer, stdout: withoutTimes(answer.stdout), stderr: withoutTimes(answer.stderr) };
  };
  const drift = async (application: DeployedApplication, ...argv: string[]) =>
    await run(application, ['migrate', 'drift', ...argv]);
  /** A copy of a database in which pgkeep is installed and the structure is recorded. */
  const recorded = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createDatabase(own, name, 'recorded'));

  it('reports what is missing until an expected structure is recorded', async () => {
    const application = await clinic('unknown');
    expect(await drift(application)).toMatchObject({
      code: 1,
      stdout:
        'Drift unknown: the database has no table pgkeep.catalogue_fingerprint.\n\n' +
        'Run `pgkeep install`, then `pgkeep migrate drift --accept`.\n',
    });
    expect(await drift(application, '--accept')).toMatchObject({
      code: 1,
      stdout: '',
      stderr:
        'Cannot record the structure: the database has no table pgkeep.catalogue_fingerprint.\n' +
        'Run `pgkeep install`, then `pgkeep migrate drift --accept`.\n',
    });
    await run(application, ['install']);
    expect(await drift(application)).toMatchObject({
      code: 1,
      stdout:
        'Drift unknown: no expected structure is recorded.\n\n' +
        'Record the current structure as the expected one: `pgkeep migrate drift --accept`; every `pgkeep migrate deploy` does this too.\n',
    });
    expect(await drift(application, '--accept')).toMatchObject({
      code: 0,
      stderr: 'No structure was recorded before: the current one is accepted.\n',
      stdout: 'Recorded the structure of database "unknown" as the expected one; 9 migrations are applied.\n',
    });
    expect(await drift(application)).toMatchObject({
      code: 0,
      stdout: 'No drift: the structure is as the acceptance of TIME UTC left it.\n',
    });
    expect(await drift(application, '--accept')).toMatchObject({
      code: 0,
      stderr: '',
      stdout: 'Nothing to accept: the structure of database "unknown" matches the recorded one.\n',
    });
  });

  it('shows what differs object by object, accepts it, and records that', async () => {
    const application = await recorded('shown');
    await query(
      application.url,
      `CREATE FUNCTION greet(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN 'Hello ' || name;
END $$`,
    );
    expect((await drift(application, '--accept')).code).toBe(0);
    await query(
      application.url,
      `ALTER TABLE users RENAME email TO mail;
       ALTER TABLE children ALTER full_name DROP NOT NULL;
       DROP INDEX children_parent_id_idx;
       CREATE TABLE leftover (id serial PRIMARY KEY, note text UNIQUE);
       CREATE OR REPLACE FUNCTION greet(name text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN 'Bye ' || name;
END $$`,
    );
    const shown = `public.children
  ~ column full_name
      was text NOT NULL
      is  text
  - index children_parent_id_idx
      CREATE INDEX children_parent_id_idx ON public.children USING btree (parent_id)

public.leftover
  + table
      with 2 columns, 2 constraints, 1 sequence

public.users
  - column email  (renamed to column mail?)
      character varying(254) NOT NULL
  + column mail
      character varying(254) NOT NULL
  ~ index users_email_key
      was CREATE UNIQUE INDEX users_email_key ON public.users USING btree (email)
      is  CREATE UNIQUE INDEX users_email_key ON public.users USING btree (mail)

other objects
  ~ function public.greet(name text)
      was RETURN 'Hello ' || name;
      is  RETURN 'Bye ' || name;
`;
    const { rows: types } = await query(
      application.url,
      `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute WHERE attrelid = 'children'::regclass AND attname = 'full_name'`,
    );
    const expected = shown
      .replaceAll('  text', `  ${types[0]?.type}`)
      .replace('was text NOT', `was ${types[0]?.type} NOT`);
    expect(await drift(application)).toMatchObject({
      code: 1,
      stderr: '',
      stdout: `DRIFT: 7 objects differ from what the acceptance of TIME UTC left.\n\n${expected}\n${REMEDY}`,
    });
    const { code, stdout } = await drift(application, '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'drift',
      recorded: { action: 'accept' },
      objects: expect.arrayContaining([
        {
          section: 'columns',
          home: 'public.users',
          object: 'column mail',
          change: 'added',
          was: null,
          is: 'character varying(254) NOT NULL',
        },
      ]),
      prisma: null,
    });
    expect(await drift(application, '--accept')).toMatchObject({
      code: 0,
      stderr: `Accepting 7 objects that differ from the acceptance of TIME UTC.\n\n${expected}`,
      stdout:
        'Recorded the structure of database "shown" as the expected one, with 7 objects changed outside of migrations; 9 migrations are applied.\n',
    });
    const { rows } = await query(
      application.url,
      `SELECT subject, details - 'instead' AS details, details->'instead'->>'action' AS instead
         FROM pgkeep.change_log WHERE action = 'accept-drift' ORDER BY seq DESC LIMIT 1`,
    );
    expect(rows).toEqual([
      {
        subject: 'shown',
        instead: 'accept',
        details: {
          environment: 'test',
          migrations: 9,
          objects: 7,
          named: [
            'changed function public.greet(name text)',
            'changed column full_name of public.children',
            'missing index children_parent_id_idx of public.children',
            'added table of public.leftover',
            'missing column email of public.users',
            'added column mail of public.users',
            'changed index users_email_key of public.users',
          ],
        },
      },
    ]);
    expect((await drift(application)).code).toBe(0);
  });

  it('asks Prisma’s engine as well if there is a schema, and names pending migrations as a cause', async () => {
    const application = await recorded('with_schema');
    copyFileSync(
      'examples/clinic/prisma/schema.prisma',
      path.join(application.directory, 'prisma/schema.prisma'),
    );
    expect(await drift(application)).toMatchObject({
      code: 0,
      stdout:
        'No drift: the structure is as the acceptance of TIME UTC left it.\n\n' +
        'Prisma sees no difference between the database and prisma/schema.prisma.\n',
    });
    // Prisma does not support triggers: it does not see this one.
    await query(
      application.url,
      'DROP INDEX children_parent_id_idx; ALTER TABLE children DISABLE TRIGGER ALL',
    );
    application.add('20991231000000_later', 'SELECT 1;\n');
    const { code, stdout } = await drift(application);
    expect(code).toBe(1);
    expect(stdout.slice(stdout.indexOf('According to Prisma'))).toBe(
      'According to Prisma the database differs from prisma/schema.prisma. 1 migration is not applied yet, which may be why: 20991231000000_later. Changes that would make it match:\n' +
        '  [*] Changed the `children` table\n    [+] Added index on columns (parent_id)\n\n' +
        `As SQL: \`pgkeep migrate drift --sql\`.\n\n${REMEDY}`,
    );
    const sql = await drift(application, '--sql');
    expect(sql.stdout).toBe(
      '-- CreateIndex\nCREATE INDEX "children_parent_id_idx" ON "children"("parent_id");\n',
    );
    await query(
      application.url,
      'CREATE INDEX children_parent_id_idx ON children (parent_id); ALTER TABLE children ENABLE TRIGGER ALL',
    );
    expect((await drift(application)).code).toBe(0);
  });

  it('reports drift although Prisma does not accept the schema', async () => {
    const application = await recorded('broken_schema');
    application.write(
      '../schema.prisma',
      'datasource db {\n  provider = "postgresql"\n}\nmodel Broken { id Int }\n',
    );
    const { code, stdout } = await drift(application);
    expect(stdout).toContain('Prisma’s engine could not compare the database with the schema: ');
    expect(code).toBe(0);
  });

  it('skips Prisma’s comparison if the role cannot see all objects', async () => {
    const application = await recorded('unseen');
    copyFileSync(
      'examples/clinic/prisma/schema.prisma',
      path.join(application.directory, 'prisma/schema.prisma'),
    );
    await query(
      application.url,
      `CREATE ROLE least LOGIN PASSWORD 'hush-least'; GRANT SELECT ON _prisma_migrations TO least`,
    );
    const url = application.url.replace(/\/\/[^@]*@/, '//least:hush-least@');
    expect(await run(application, ['migrate', 'drift'], { DATABASE_URL: url })).toMatchObject({
      code: 0,
      stderr: '',
      stdout:
        'No drift: the structure is as the acceptance of TIME UTC left it.\n\n' +
        'Prisma’s engine could not compare the database with the schema: role "least" has no privilege on public.children and 8 more, ' +
        'which Prisma would report as missing. Grant it: GRANT pg_read_all_data TO "least";\n',
    });
    await query(application.url, 'GRANT pg_read_all_data TO least');
    expect((await run(application, ['migrate', 'drift'], { DATABASE_URL: url })).stdout).toContain(
      '\nPrisma sees no difference between the database and prisma/schema.prisma.\n',
    );
  });

  it('does not create the PostgreSQL schema that the URL names', async () => {
    const application = await recorded('no_schema');
    copyFileSync(
      'examples/clinic/prisma/schema.prisma',
      path.join(application.directory, 'prisma/schema.prisma'),
    );
    const url = `${application.url}?schema=nowhere`;
    const { stdout } = await run(application, ['migrate', 'drift'], { DATABASE_URL: url });
    expect(stdout).toContain(
      '\nPrisma’s engine could not compare the database with the schema: there is no PostgreSQL schema "nowhere".\n',
    );
    expect(
      (await query(application.url, `SELECT FROM pg_namespace WHERE nspname = 'nowhere'`)).rowCount,
    ).toBe(0);
  });

  it('does not report a bare prisma migrate deploy as drift', async () => {
    const application = await recorded('bare');
    application.add('20991231000000_bare', 'ALTER TABLE "children" ADD COLUMN "bare" TEXT;\n');
    await applyMigrations({ database: parseDatabaseUrl(application.url), directory: application.migrations });
    expect(await drift(application)).toMatchObject({
      code: 1,
      stdout:
        'Drift unknown since the acceptance of TIME UTC: the migration history has changed.\n' +
        '  applied since  20991231000000_bare\n' +
        '1 object differs since then, changed by these migrations or by hand:\n\n' +
        'public.children\n  + column bare\n      text\n\n' +
        'If this is expected: `pgkeep migrate drift --accept`.\n',
    });
    expect((await drift(application, '--accept')).code).toBe(0);
    expect((await drift(application)).code).toBe(0);
  });

  it('accepts nothing of another environment’s database', async () => {
    const application = await recorded('foreign');
    await run(application, ['stamp', 'production']);
    await query(application.url, 'CREATE TABLE strange ()');
    expect(await drift(application, '--accept')).toMatchObject({
      code: 3,
      stdout: '',
      stderr:
        'Refused to accept the structure: this is test (NODE_ENV), and the database is stamped production. Nothing was recorded.\n' +
        'Use `--env production`, or point DATABASE_URL at the test database.\n',
    });
  });
});

describe('a deploy', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createClinic(own, 'installed');
    expect((await runCli(['install'], { NODE_ENV: 'test', DATABASE_URL: url })).code).toBe(0);
  });
  afterAll(() => own.cluster.destroy());

  const installed = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createDatabase(own, name, 'installed'));
  const fingerprints = async ({ url }: DeployedApplication) =>
    (
      await query(
        url,
        'SELECT action, jsonb_array_length(migrations) AS migrations FROM pgkeep.catalogue_fingerprint ORDER BY id',
      )
    ).rows;
  const drift = async ({ url, directory }: DeployedApplication) =>
    await runCli(['migrate', 'drift'], { NODE_ENV: 'test', DATABASE_URL: url }, { cwd: directory });

  it('records the structure afterwards; with nothing to apply, only if there is no recording', async () => {
    const application = await installed('leaves');
    expect((await application.quickly()).code).toBe(0);
    await query(application.url, 'CREATE TABLE by_hand ()');
    expect((await application.quickly()).code).toBe(0);
    expect(await fingerprints(application)).toEqual([{ action: 'deploy', migrations: 9 }]);
    expect((await drift(application)).code).toBe(1);
    await query(application.url, 'DROP TABLE by_hand');
    application.add('20991231000000_more', 'ALTER TABLE "children" ADD COLUMN "more" TEXT;\n');
    expect((await application.quickly()).code).toBe(0);
    expect(await fingerprints(application)).toEqual([
      { action: 'deploy', migrations: 9 },
      { action: 'deploy', migrations: 10 },
    ]);
    expect((await drift(application)).code).toBe(0);
  });

  it('does not accept earlier changes by hand: they remain drift', async () => {
    const application = await installed('stays');
    await application.quickly();
    await query(
      application.url,
      `ALTER TABLE children ADD by_hand int; ALTER TABLE children ADD for_good int; DROP INDEX children_parent_id_idx;
       ALTER TABLE users ALTER email TYPE text`,
    );
    application.add(
      '20991231000000_partly',
      'ALTER TABLE "children" ADD COLUMN "more" TEXT;\nALTER TABLE "children" ALTER COLUMN "for_good" TYPE bigint;\n',
    );
    const { code, stdout, stderr } = await application.quickly();
    expect(stderr).toContain(
      'note      4 objects were changed outside of migrations: `pgkeep migrate drift`\n',
    );
    expect(stdout).toContain(
      '\n  WARNING   3 objects changed outside of migrations: `pgkeep migrate drift`\n',
    );
    expect(code).toBe(0);
    const report = await drift(application);
    expect(report.stdout.replace(/of \d{4}.* UTC/, 'of TIME UTC')).toBe(
      `DRIFT: 3 objects differ from what the deploy of TIME UTC left.

public.children
  + column by_hand
      integer
  - index children_parent_id_idx
      CREATE INDEX children_parent_id_idx ON public.children USING btree (parent_id)

public.users
  ~ column email
      was character varying(254) NOT NULL
      is  text NOT NULL

${REMEDY}`,
    );
    await query(
      application.url,
      `ALTER TABLE children DROP by_hand; CREATE INDEX children_parent_id_idx ON children (parent_id);
       ALTER TABLE users ALTER email TYPE varchar(254)`,
    );
    expect((await drift(application)).code).toBe(0);
  });

  it('that fails half-way records what it left, and accepts no other change', async () => {
    const application = await installed('failing');
    await application.quickly();
    await query(application.url, 'CREATE TABLE by_hand ()');
    application.add('20991231000000_good', 'CREATE TABLE "good" ("id" INTEGER PRIMARY KEY);\n');
    application.add('20991231000500_bad', 'ALTER TABLE "children" ADD COLUMN "id" INTEGER;\n');
    expect((await application.quickly()).code).toBe(1);
    expect(await fingerprints(application)).toEqual([
      { action: 'deploy', migrations: 9 },
      { action: 'deploy', migrations: 10 },
    ]);
    const { stdout } = await drift(application);
    expect(stdout).toMatch(/^DRIFT: 1 object differs .*\n\npublic\.by_hand\n {2}\+ table\n/);
  });

  it('accepts a change by hand that one of its migrations names', async () => {
    const application = await installed('named');
    await application.quickly();
    await query(
      application.url,
      `ALTER TABLE children ADD "shoeSize" int; ALTER TABLE parents ADD "shoeSize" int; CREATE TYPE mood AS ENUM ('a')`,
    );
    application.add(
      '20991231000000_named',
      'ALTER TABLE "children" ADD COLUMN IF NOT EXISTS "shoeSize" INTEGER;\n',
    );
    const { stdout } = await application.quickly();
    expect(stdout).toContain(
      '\n  WARNING   2 objects changed outside of migrations: `pgkeep migrate drift`\n',
    );
    expect((await drift(application)).stdout).toContain(
      '\npublic.parents\n  + column "shoeSize"\n      integer\n\nother objects\n  + enum public.mood\n',
    );
  });

  it('succeeds if its role may not record the structure, and says so', async () => {
    const application = await installed('weak');
    await query(
      application.url,
      `CREATE ROLE deployer LOGIN PASSWORD 'hush-deployer'; GRANT ALL ON DATABASE weak TO deployer;
       GRANT ALL ON SCHEMA public TO deployer; GRANT ALL ON ALL TABLES IN SCHEMA public TO deployer;
       GRANT INSERT ON pgkeep.change_log TO deployer`,
    );
    application.add('20991231000000_new', 'CREATE TABLE "new_one" ("id" INTEGER PRIMARY KEY);\n');
    const url = application.url.replace(/\/\/[^@]*@/, '//deployer:hush-deployer@');
    const { code, stdout } = await application.quickly([], { DATABASE_URL: url });
    expect(stdout).toContain(
      '\n  drift will not be detected from now on: Cannot record the structure: role "deployer" cannot write to pgkeep.catalogue_fingerprint. ' +
        'Grant it: GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.catalogue_fingerprint TO "deployer"; Then run `pgkeep migrate drift --accept`.\n',
    );
    expect(code).toBe(0);
  });
});
