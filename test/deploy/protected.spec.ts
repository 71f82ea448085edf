import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { parseFiles } from '../../src/migrations/sql/parse-files.js';
import { refusalOfLosses } from '../../src/deploy/protected-losses.js';
import type { ProtectedTable } from '../../src/deploy/protected-tables.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { changedUrl } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(90_000);

/** A function that deletes: parsing a call does not show that. */
const UNSEEN = `CREATE FUNCTION tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM session_quiz_steps WHERE step_number < 3';
SELECT tidy();
DROP FUNCTION tidy();
`;

const TABLE: ProtectedTable = {
  oid: '1',
  name: 'public.children',
  schema: 'public',
  quoted: 'public.children',
  family: ['public.children', 'public.children_2026', 'public.people'],
  referenced: ['public.parents', 'public.districts'],
  cascading: ['public.parents'],
  leaves: ['public.children_2026'],
};

describe('a migration that removes rows of a protected table', () => {
  async function judged(...scripts: string[]): Promise<string | undefined> {
    const files = scripts.map((content, index) => ({ path: `${index + 1}/migration.sql`, content }));
    return refusalOfLosses(await parseFiles(files), [TABLE], 'public')?.message;
  }

  it.each([
    ['DROP TABLE children', 'DROP TABLE'],
    ['DROP TABLE IF EXISTS x, public."children" CASCADE', 'DROP TABLE'],
    ['TRUNCATE children', 'TRUNCATE'],
    ['TRUNCATE children_2026', 'TRUNCATE'],
    ['TRUNCATE people', 'TRUNCATE'],
    ['TRUNCATE districts CASCADE', 'TRUNCATE … CASCADE'],
    ['DELETE FROM children WHERE id = 1', 'DELETE'],
    ['DELETE FROM parents WHERE id = 1', 'DELETE'],
    ['WITH gone AS (DELETE FROM children RETURNING *) SELECT 1 FROM gone', 'DELETE'],
    ['MERGE INTO children c USING x ON x.id = c.id WHEN MATCHED THEN DELETE', 'MERGE … DELETE'],
    ['DROP SCHEMA public CASCADE', 'DROP SCHEMA'],
    ['DROP OWNED BY app', 'DROP OWNED'],
    ['DO $$ BEGIN DELETE FROM children; END $$', 'DELETE'],
    ['ALTER TABLE children RENAME TO kids; DROP TABLE kids', 'DROP TABLE'],
    ['ALTER TABLE children SET SCHEMA old; TRUNCATE old.children', 'TRUNCATE'],
  ])('%s is refused', async (sql, what) => {
    expect(await judged('SELECT 1;', sql)).toMatch(
      new RegExp(
        `^Refused to deploy: ${what} at 2/migration\\.sql:1:\\d+ removes rows of public\\.children, which is protected \\(PROTECTED_TABLES\\)\\. Nothing was touched\\.$`,
      ),
    );
  });

  it.each([
    'DELETE FROM visits; TRUNCATE visits CASCADE; DROP TABLE other.children',
    'TRUNCATE districts; DELETE FROM districts',
    'UPDATE children SET name = NULL; ALTER TABLE children DROP COLUMN name',
    'INSERT INTO children SELECT * FROM x; CREATE INDEX i ON children (id); DROP INDEX i',
    'MERGE INTO children c USING x ON x.id = c.id WHEN MATCHED THEN DO NOTHING',
    'ALTER TABLE children RENAME TO kids; ALTER TABLE x RENAME TO children; DROP TABLE children',
  ])('%s is allowed', async (sql) => {
    expect(await judged(sql)).toBeUndefined();
  });
});

describe('pgkeep migrate deploy with PROTECTED_TABLES', () => {
  let own: ThrowAwayCluster;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const PROTECTED = { PROTECTED_TABLES: 'session_quiz_steps, public.children' };

  it('refuses it before anything is done, with or without --dry-run', async () => {
    const application = new DeployedApplication(await createClinic(own, 'refused', { seeded: true }));
    application.add(
      '20991231000000_out',
      '-- pgkeep:allow drop-table because of the test\nDROP TABLE session_quiz_steps;\n',
    );
    const message =
      'Refused to deploy: DROP TABLE at prisma/migrations/20991231000000_out/migration.sql:2:1 removes rows of public.session_quiz_steps, which is protected (PROTECTED_TABLES). Nothing was touched.\nRewrite the migration so that it keeps the rows. If removing them is intended and approved, deploy once without that table in PROTECTED_TABLES.\n';
    for (const argv of [[], ['--dry-run']]) {
      expect(await application.deploy(argv, PROTECTED)).toEqual({ code: 3, stdout: '', stderr: message });
    }
    // Through a foreign key: read from the database.
    application.remove('20991231000000_out').add('20991231000000_out', 'TRUNCATE parents CASCADE;\n');
    expect((await application.deploy([], PROTECTED)).stderr).toContain(
      'TRUNCATE … CASCADE at prisma/migrations/20991231000000_out/migration.sql:1:1 removes rows of public.',
    );
  });

  it('fails if rows are missing afterwards, and says how to restore them', async () => {
    const url = await createClinic(own, 'lost', { seeded: true });
    for (const argv of [['install'], ['stamp', 'test']])
      await runCli(argv, { DATABASE_URL: url, NODE_ENV: 'test' });
    const application = new DeployedApplication(url);
    application.add('20991231000000_unseen', UNSEEN);
    const { rows: before } = await query(url, 'SELECT count(*)::int AS count FROM session_quiz_steps');
    const { rows: removed } = await query(
      url,
      'SELECT count(*)::int AS count FROM session_quiz_steps WHERE step_number < 3',
    );
    const had = Number(before[0]?.count);
    const has = had - Number(removed[0]?.count);
    const { code, stdout, stderr } = await application.deploy([], PROTECTED);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('\nprotected public.children, public.session_quiz_steps\n');
    const backup = /lost_test_\d+_\d+/.exec(stderr)?.[0];
    expect(stderr.slice(stderr.indexOf('A protected'))).toBe(
      `A protected table lost rows (PROTECTED_TABLES):
  public.session_quiz_steps has ${has.toLocaleString('en-US')} rows; it had ${had.toLocaleString('en-US')}
The migrations remain applied: 20991231000000_unseen.
Backup made before the deploy: ${backup}.
Restore the rows into a separate database; nothing in use is changed. The output shows the command that copies them back:
  npx pgkeep restore ${backup} --tables public.session_quiz_steps --into rows_from_before
`,
    );
    const { rows: recorded } = await query(
      url,
      `SELECT details FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1`,
    );
    expect(recorded[0]?.details).toMatchObject({
      outcome: 'rows-lost',
      migrations: ['20991231000000_unseen'],
      lost: [{ name: 'public.session_quiz_steps', before: had, after: has }],
    });
    // The command that the message prints.
    const argv = [
      'restore',
      backup ?? '',
      '--tables',
      'public.session_quiz_steps',
      '--into',
      'rows_from_before',
    ];
    const restored = await runCli(
      argv,
      { DATABASE_URL: url, NODE_ENV: 'test' },
      { cwd: application.directory },
    );
    expect(restored).toMatchObject({ code: 0 });
    const { rows } = await query(
      own.cluster.url('rows_from_before'),
      'SELECT count(*)::int AS count FROM session_quiz_steps',
    );
    expect(rows).toEqual([{ count: had }]);
  });

  it('counts all partitions of a table, finds a renamed table, and names the partitions to restore', async () => {
    const url = await createDatabase(own, 'parts');
    await query(
      url,
      `CREATE TABLE log (day int) PARTITION BY LIST (day); CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1);
       CREATE TABLE "Log 2" PARTITION OF log FOR VALUES IN (2); INSERT INTO log VALUES (1), (1), (2);
       CREATE TABLE old (id int); INSERT INTO old VALUES (1);
       CREATE TABLE _prisma_migrations (id varchar(36) PRIMARY KEY, checksum varchar(64) NOT NULL, finished_at timestamptz,
         migration_name varchar(255) NOT NULL, logs text, rolled_back_at timestamptz,
         started_at timestamptz NOT NULL DEFAULT now(), applied_steps_count int NOT NULL DEFAULT 0)`,
    );
    const application = new DeployedApplication(url, { clinic: false });
    const environment = { PROTECTED_TABLES: 'log,old,nowhere' };
    application.add(
      '1_rename',
      '-- pgkeep:allow rename-table because of the test\nALTER TABLE old RENAME TO new;\n',
    );
    const renamed = await application.quickly([], environment);
    expect(renamed.code).toBe(0);
    expect(renamed.stderr).toContain(
      'note      PROTECTED_TABLES names public.nowhere, which does not exist\n',
    );
    application.add('2_detach', 'ALTER TABLE log DETACH PARTITION "Log 2";\n');
    const { code, stderr } = await application.deploy([], environment);
    expect(code).toBe(1);
    expect(stderr).toContain('  public.log has 2 rows; it had 3\n');
    expect(stderr).toMatch(/ --tables 'public\."Log 2",public\.log_1' --into rows_from_before\n$/);
  });

  it('refuses if the rows cannot be counted: no grant, hidden rows, locked', async () => {
    const url = await createClinic(own, 'blind', { seeded: true });
    await query(
      url,
      `CREATE ROLE clerk LOGIN PASSWORD 'pw'; GRANT ALL ON SCHEMA public TO clerk;
       GRANT ALL ON _prisma_migrations, children TO clerk; ALTER TABLE children ENABLE ROW LEVEL SECURITY`,
    );
    const clerk = new DeployedApplication(changedUrl(url, { username: 'clerk', password: 'pw' }));
    clerk.add('20991231000000_more', 'CREATE TABLE more (id int);\n');
    const refused = async (tables: string): Promise<unknown> => {
      const { code, stderr } = await clerk.quickly([], { PROTECTED_TABLES: tables });
      return { code, stderr };
    };
    const cannot = (table: string): string =>
      `Refused to deploy: the rows of public.${table}, which is protected (PROTECTED_TABLES), cannot be counted: `;
    expect(await refused('parents')).toEqual({
      code: 3,
      stderr: `${cannot('parents')}role "clerk" cannot read it. Nothing was touched.\nGive it the grants: GRANT USAGE ON SCHEMA "public" TO "clerk"; GRANT SELECT ON public.parents TO "clerk";\n`,
    });
    expect(await refused('children')).toEqual({
      code: 3,
      stderr: `${cannot('children')}row-level security hides rows from role "clerk". Nothing was touched.\nAs a superuser, let the role see all rows: ALTER ROLE "clerk" BYPASSRLS;\n`,
    });
    const slow = new DeployedApplication(url);
    slow.add('20991231000000_more', 'CREATE TABLE more (id int);\n');
    const holder = new Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE session_quiz_steps');
    const { code, stderr } = await slow.quickly([], {
      PROTECTED_TABLES: 'session_quiz_steps',
      MIGRATIONS_LOCK_TIMEOUT: '200',
    });
    await holder.end();
    expect(code).toBe(3);
    expect(stderr).toContain(
      `${cannot('session_quiz_steps')}canceling statement due to lock timeout. Nothing was touched.\nMIGRATIONS_STATEMENT_TIMEOUT and MIGRATIONS_LOCK_TIMEOUT limit how long counting may take.\n`,
    );
  });
});
