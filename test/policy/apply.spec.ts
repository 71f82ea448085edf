import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { CLINIC_SCHEMA } from '../support/policy.js';
import { PolicyApplication } from '../support/policy-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

jest.setTimeout(90_000);

/** A model of table `notes`. */
const NOTES = (annotations: string, more = ''): string =>
  `/// ${annotations}\nmodel Note {\n  id Int @id\n  text String\n${more}\n  @@map("notes")\n}\n`;

describe('pgkeep policy', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    await query(
      own.cluster.url('postgres'),
      `CREATE ROLE app LOGIN PASSWORD 'pw'; CREATE ROLE other LOGIN PASSWORD 'pw'`,
    );
  });
  afterAll(() => own.cluster.destroy());

  /** An application with pgkeep installed in its database. */
  async function application(name: string, sql: string, schema: string): Promise<PolicyApplication> {
    const made = new PolicyApplication(await createDatabase(own, name), schema);
    await query(made.url, sql);
    expect((await made.run(['install'])).code).toBe(0);
    return made;
  }

  const notes = async (name: string, annotations = '@pgkeep.neverDelete'): Promise<PolicyApplication> =>
    await application(
      name,
      `CREATE TABLE notes (id int PRIMARY KEY, text text); INSERT INTO notes VALUES (1, 'x')`,
      NOTES(annotations),
    );

  const refusalOf = async (url: string, sql: string): Promise<string> =>
    await query(url, sql).then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );

  const recorded = async (url: string): Promise<unknown[]> =>
    (await query(url, `SELECT details FROM pgkeep.change_log WHERE action = 'policy' ORDER BY seq`)).rows.map(
      ({ details }) => details,
    );

  describe('of the clinic', () => {
    let clinic: PolicyApplication;

    beforeAll(async () => {
      clinic = new PolicyApplication(
        await createClinic(own, 'clinic', { seeded: true }),
        readFileSync(CLINIC_SCHEMA, 'utf8'),
      );
    });

    it('says what to install first', async () => {
      const hint = 'Run `pgkeep install`.\n';
      const stderr = `Cannot read the policy: the database has no table pgkeep.table_policy. Nothing was changed.\n${hint}`;
      expect(await clinic.policy(['apply'])).toEqual({ code: 1, stdout: '', stderr });
      expect(await clinic.policy(['show'])).toEqual({
        code: 1,
        stdout:
          'The rules of 9 tables are declared, and none is enforced: run `pgkeep install`, then `pgkeep policy apply`.\n',
        stderr: '',
      });
      expect((await clinic.run(['install'])).code).toBe(0);
    });

    it('is shown as SQL first, and that very SQL applies it', async () => {
      const { code, stdout } = await clinic.policy(['apply', '--dry-run']);
      expect(code).toBe(0);
      expect(stdout.split('\n')[0]).toBe('-- What `pgkeep policy apply` executes in database "clinic".');
      expect(stdout).toContain(`
-- public.session_quiz_steps: append-only
BEGIN;
SET LOCAL lock_timeout = '1s';
CREATE OR REPLACE TRIGGER pgkeep_policy_delete BEFORE DELETE ON public.session_quiz_steps FOR EACH ROW EXECUTE FUNCTION pgkeep_policy.on_delete('append', '{"id"}', '{}', '');
ALTER TABLE public.session_quiz_steps ENABLE ALWAYS TRIGGER pgkeep_policy_delete;
`);
      expect(await refusalOf(clinic.url, 'BEGIN; DELETE FROM session_quiz_steps; ROLLBACK')).toBe('done');
      const copy = await createDatabase(own, 'clinic_by_hand', 'clinic');
      await query(copy, stdout);
      expect(
        (await new PolicyApplication(copy, readFileSync(CLINIC_SCHEMA, 'utf8')).policy(['show'])).code,
      ).toBe(0);
    });

    it('is applied once, and shown', async () => {
      expect(await clinic.policy(['apply'])).toEqual({
        code: 0,
        stdout: `Applied the policy to database "clinic": 9 tables changed, 0 in force already.
  public.districts             read-only (corrections)     sealed: INSERT is refused from now on
  public.villages              read-only (corrections)     sealed: INSERT is refused from now on
  public.posyandus             soft delete
  public.users                 soft delete
  public.parents               soft delete
  public.children              never deleted, corrections
  public.sessions              never deleted
  public.session_quiz_steps    append-only
  public.who_growth_standards  read-only                   sealed: INSERT is refused from now on
`,
        stderr: '',
      });
      expect(await clinic.policy(['apply'])).toEqual({
        code: 0,
        stdout: 'Nothing to do: the rules of 9 tables are in force in database "clinic".\n',
        stderr: '',
      });
      expect((await clinic.policy(['apply', '--dry-run'])).stdout).toBe(
        '-- Nothing to do: the rules of 9 tables are in force in database "clinic".\n',
      );
      expect(await clinic.policy(['show'])).toEqual({
        code: 0,
        stdout: `table                        rule                        in the database
public.districts             read-only (corrections)     ok
public.villages              read-only (corrections)     ok
public.posyandus             soft delete                 ok
public.users                 soft delete                 ok
public.parents               soft delete                 ok
public.children              never deleted, corrections  ok
public.sessions              never deleted               ok
public.session_quiz_steps    append-only                 ok
public.who_growth_standards  read-only                   ok
`,
        stderr: '',
      });
      const details = await recorded(clinic.url);
      expect(details).toHaveLength(10);
      expect(details.slice(0, 2)).toEqual([
        { action: 'functions' },
        {
          action: 'applied',
          table: 'public.districts',
          rule: 'read-only (corrections)',
          before: null,
          sealed: true,
        },
      ]);
    });

    it('reports what was changed by hand, and fixes it', async () => {
      await query(
        clinic.url,
        `ALTER TABLE sessions DISABLE TRIGGER pgkeep_policy_delete;
         DROP TRIGGER pgkeep_policy_update ON children;
         ALTER TABLE users DISABLE TRIGGER ALL; ALTER TABLE users ENABLE TRIGGER ALL;
         CREATE OR REPLACE TRIGGER pgkeep_policy_delete BEFORE DELETE ON parents FOR EACH ROW
           WHEN (false) EXECUTE FUNCTION pgkeep_policy.on_delete('soft', '{"id"}', '{}', 'deleted_at');
         CREATE TRIGGER pgkeep_policy_other BEFORE DELETE ON villages FOR EACH ROW EXECUTE FUNCTION pgkeep_policy.on_delete('never');
         CREATE OR REPLACE FUNCTION pgkeep_policy.on_truncate() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
      );
      const { code, stdout } = await clinic.policy(['show']);
      expect(code).toBe(1);
      expect(stdout.split('\n').filter((line) => !line.endsWith(' ok'))).toEqual([
        'table                        rule                        in the database',
        'public.villages              read-only (corrections)     trigger pgkeep_policy_other has no rule',
        'public.users                 soft delete                 trigger pgkeep_policy_delete is not enabled ALWAYS; trigger pgkeep_policy_truncate is not enabled ALWAYS',
        'public.parents               soft delete                 trigger pgkeep_policy_delete was changed',
        'public.children              never deleted, corrections  trigger pgkeep_policy_update is missing',
        'public.sessions              never deleted               trigger pgkeep_policy_delete is off',
        'The functions of schema pgkeep_policy were changed by hand: run `pgkeep policy apply`.',
        '',
      ]);
      const fixed = await clinic.policy(['apply']);
      expect(fixed.stdout.split('\n')[0]).toBe(
        'Applied the policy to database "clinic": 5 tables changed, 4 in force already.',
      );
      expect((await clinic.policy(['show'])).code).toBe(0);
    });

    it('is removed from one table with a reason, which is recorded', async () => {
      expect(await clinic.policy(['remove', 'Session'])).toMatchObject({ code: 2 });
      expect(await clinic.policy(['remove', 'Session', '--because', ' '])).toEqual({
        code: 2,
        stdout: '',
        stderr: '--because takes the reason, of at most 2000 characters; it is kept in the audit log.\n',
      });
      expect(await clinic.policy(['remove', 'visits', '--because', 'a test'])).toEqual({
        code: 2,
        stdout: '',
        stderr:
          'No rule was applied to a table "visits". Nothing was changed.\nTables with a rule: public.children, public.districts, public.parents, public.posyandus, public.session_quiz_steps, public.sessions, public.users, public.villages, public.who_growth_standards.\n',
      });
      expect(await clinic.policy(['remove', 'Session', '--because', 'a correction by the vendor'])).toEqual({
        code: 0,
        stdout: `Removed: PostgreSQL no longer enforces the rule of public.sessions (never deleted) in database "clinic".
The next \`pgkeep policy apply\`, or deploy, enforces what the Prisma schema declares: to end it for good, remove the annotations as well.
`,
        stderr: '',
      });
      expect((await recorded(clinic.url)).at(-1)).toEqual({
        action: 'removed',
        table: 'public.sessions',
        rule: 'never deleted',
        because: 'a correction by the vendor',
      });
      const { rows } = await query(
        clinic.url,
        `SELECT FROM pg_trigger WHERE tgrelid = 'sessions'::regclass AND tgname ~ 'pgkeep_policy'`,
      );
      expect(rows).toEqual([]);
      expect((await clinic.policy(['show'])).stdout).toContain(
        'never deleted               not applied: nothing is refused\n',
      );
      expect((await clinic.policy(['apply'])).code).toBe(0);
    });
  });

  it('passes over a table in use within a second, and reports it', async () => {
    const app = await notes('busy');
    const holder = new Client({ connectionString: app.url });
    await holder.connect();
    await holder.query(`BEGIN; UPDATE notes SET text = 'y'`);
    const startedAt = performance.now();
    expect(await app.policy(['apply'])).toEqual({
      code: 1,
      stdout: `Applied the policy to database "busy": 0 tables changed, 0 in force already.
Passed over 1 table: public.notes (another session has locked it). Run \`pgkeep policy apply\` again.
`,
      stderr: '',
    });
    expect(performance.now() - startedAt).toBeLessThan(20_000);
    await holder.query('ROLLBACK');
    await holder.end();
    expect((await app.policy(['apply'])).code).toBe(0);
  });

  it('is continued after a kill -9: each table is done or not', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const app = await application(
      'killed',
      names.map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY)`).join(';'),
      names.map((name) => `/// @pgkeep.neverDelete\nmodel ${name} {\n  id Int @id\n}\n`).join(''),
    );
    const holder = new Client({ connectionString: app.url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE c');
    const applying = app.start(['apply']);
    const done = async (): Promise<number> =>
      Number((await query(app.url, 'SELECT count(*) AS n FROM pgkeep.table_policy')).rows[0].n);
    await until(async () => (await done()) >= 2, 30_000, 'two tables');
    await applying.kill();
    await holder.query('ROLLBACK');
    await holder.end();
    await until(async () => (await app.policy(['apply'])).code === 0, 30_000, 'the rest');
    expect(await done()).toBe(5);
    expect((await app.policy(['show'])).code).toBe(0);
    expect(
      (await recorded(app.url)).filter((details) => JSON.stringify(details).includes('"applied"')),
    ).toHaveLength(5);
  });

  it('is not applied while migrations are deployed', async () => {
    const app = await notes('deploying');
    const deploy = new Client({ connectionString: app.url });
    await deploy.connect();
    await deploy.query('SELECT pg_advisory_lock(72707369)');
    const refused = {
      code: 3,
      stdout: '',
      stderr:
        'Refused to apply the policy: another session is deploying migrations, or is applying the policy. Nothing was changed.\nWait for it, then try again.\n',
    };
    expect(await app.policy(['apply'])).toEqual(refused);
    await deploy.query(
      'SELECT pg_advisory_unlock_all(), pg_advisory_lock(x, 1) FROM (VALUES (1885825893)) v (x)',
    );
    expect(await app.policy(['apply'])).toEqual(refused);
    await deploy.end();
    await until(async () => (await app.policy(['apply'])).code === 0);
  });

  it('is refused where the database serves another environment, and asks twice in production', async () => {
    const app = await notes('stamped');
    expect((await app.run(['stamp', 'production'])).code).toBe(0);
    expect(await app.policy(['apply'])).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to apply the policy: this is test (NODE_ENV), and the database is stamped production. Nothing was changed.\nUse `--env production`, or point DATABASE_URL at the test database.\n',
    });
    const production = { NODE_ENV: 'production' };
    expect((await app.policy(['apply'], production)).code).toBe(0);
    const remove = ['remove', 'notes', '--because', 'a test'];
    expect(await app.policy(remove)).toMatchObject({ code: 3 });
    expect(await app.policy(remove, production)).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to remove the rule of notes: this is production. Nothing was changed.\nIf it must be: add `--confirm public.notes`.\n',
    });
    expect((await app.policy([...remove, '--confirm', 'public.notes'], production)).code).toBe(0);
  });

  it('names the right that a role lacks, and the grant', async () => {
    const app = await notes('rights');
    await query(app.url, `ALTER TABLE notes OWNER TO app; GRANT USAGE ON SCHEMA pgkeep TO app, other`);
    const as = (username: string) => ({ DATABASE_URL: changedUrl(app.url, { username, password: 'pw' }) });
    const denied = async (username: string): Promise<string> => {
      const { code, stderr } = await app.policy(['apply'], as(username));
      expect(code).toBe(1);
      return stderr;
    };
    expect(await denied('app')).toContain('role "app" lacks INSERT on pgkeep.change_log');
    await query(
      app.url,
      `GRANT SELECT, INSERT ON pgkeep.change_log TO app, other; GRANT SELECT ON pgkeep.database_environment TO app, other`,
    );
    expect(await denied('app')).toBe(
      'Cannot apply the policy: role "app" cannot create schema pgkeep_policy in database "rights". Nothing was changed.\nRun it as the owner of the database, or grant: GRANT CREATE ON DATABASE "rights" TO "app";\n',
    );
    await query(app.url, 'GRANT CREATE ON DATABASE rights TO app');
    const grants = `GRANT USAGE ON SCHEMA pgkeep TO "app"; GRANT SELECT, INSERT, UPDATE ON pgkeep.correction TO "app"; GRANT SELECT ON pgkeep.legal_hold TO "app"; GRANT SELECT, INSERT, UPDATE ON pgkeep.privacy_action TO "app"; GRANT SELECT, INSERT ON pgkeep.privacy_row TO "app"; GRANT SELECT ON pgkeep.privacy_salt TO "app"; GRANT SELECT, INSERT, UPDATE, DELETE ON pgkeep.table_policy TO "app";`;
    expect(await denied('app')).toBe(
      `Cannot apply the policy: role "app" lacks rights on pgkeep.correction, pgkeep.legal_hold, pgkeep.privacy_action, pgkeep.privacy_row, pgkeep.privacy_salt, pgkeep.table_policy. Nothing was changed.\nRun it as the owner of schema pgkeep, or grant: ${grants}\n`,
    );
    await query(app.url, grants);
    expect((await app.policy(['apply'], as('app'))).code).toBe(0);
    expect(await refusalOf(app.url, 'DELETE FROM notes')).toBe(
      'pgkeep: DELETE of public.notes is refused: its rows are never deleted',
    );
    // Another role sees that all is well, and cannot replace the functions.
    expect((await app.policy(['show'], as('other'))).code).toBe(0);
    await query(
      app.url,
      `COMMENT ON SCHEMA pgkeep_policy IS 'older'; DROP FUNCTION pgkeep_policy.is_held(text, jsonb)`,
    );
    expect((await app.policy(['show'], as('other'))).stdout).toContain(
      'The functions of schema pgkeep_policy are of another version of pgkeep: run `pgkeep policy apply`.',
    );
    expect(await denied('other')).toBe(
      'Cannot apply the policy: role "other" does not own schema pgkeep_policy, and its functions are of another version. Nothing was changed.\nRun it as role "app", which owns them.\n',
    );
  });

  it('passes over a table of another role, and one that is no table or lacks a column', async () => {
    const app = await application(
      'unusable',
      `CREATE TABLE notes (id int PRIMARY KEY, text text); CREATE VIEW seen AS SELECT 1 AS id;
       CREATE TABLE short (no int PRIMARY KEY)`,
      `${NOTES('@pgkeep.neverDelete')}
       /// @pgkeep.neverDelete
       model seen {
         id Int @id
       }
       /// @pgkeep.neverDelete
       model Short {
         id Int @id
         deletedAt DateTime? @map("deleted_at")
         @@map("short")
       }
       /// @pgkeep.neverDelete
       model gone {
         id Int @id
       }`,
    );
    expect(await app.policy(['apply'])).toEqual({
      code: 1,
      stdout: `Applied the policy to database "unusable": 1 table changed, 0 in force already.
  public.notes  never deleted
Passed over 3 tables: public.seen (not a table: a rule needs one), public.short (has no columns id, deleted_at), public.gone (not in the database). Run \`pgkeep policy apply\` again.
`,
      stderr: '',
    });
    expect((await app.policy(['show'])).stdout).toContain(
      'public.gone   never deleted  not in the database\n',
    );
  });

  it('refuses to apply misread rules, and names the lines', async () => {
    const app = await notes('misread', '@pgkeep.neverDelte');
    expect(await app.policy(['apply'])).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'The declared policy has 1 fault. Nothing was changed.\nprisma/schema.prisma:4: model Note: @pgkeep.neverDelte is not a rule. Did you mean @pgkeep.neverDelete?\nCorrect the Prisma schema; `pgkeep policy check` lists everything.\n',
    });
  });

  it('follows a table that was renamed, keeps one that is no longer declared, forgets one that is gone', async () => {
    const app = await application(
      'renamed',
      `CREATE TABLE notes (id int PRIMARY KEY, text text); INSERT INTO notes VALUES (1, 'x');
       CREATE TABLE others (id int PRIMARY KEY)`,
      `${NOTES('@pgkeep.readOnly')}
       /// @pgkeep.neverDelete
       model others {
         id Int @id
       }`,
    );
    expect((await app.policy(['apply'])).code).toBe(0);
    await query(app.url, 'ALTER TABLE notes RENAME TO memos');
    app.declare(NOTES('@pgkeep.readOnly').replace('"notes"', '"memos"'));
    expect(await app.policy(['show'])).toEqual({
      code: 1,
      stdout: `table          rule           in the database
public.memos   read-only      its triggers are of a table that was renamed
public.notes   read-only      no longer declared, and not in the database
public.others  never deleted  no longer declared: still enforced until \`pgkeep policy remove\`
Not in force as declared in database "renamed": run \`pgkeep policy apply\`.
`,
      stderr: '',
    });
    expect(await refusalOf(app.url, 'INSERT INTO memos VALUES (2)')).toBe(
      'pgkeep: INSERT of public.memos is refused: it is read-only since it was seeded',
    );
    expect(await app.policy(['apply'])).toEqual({
      code: 0,
      stdout: `Applied the policy to database "renamed": 1 table changed, 0 in force already.
  public.memos  read-only
  public.notes is no longer in the database: its record was removed
  public.others is no longer declared, and still protected: \`pgkeep policy remove\` ends it
`,
      stderr: '',
    });
    expect(await refusalOf(app.url, 'INSERT INTO memos VALUES (2)')).toContain('is refused');
    expect((await app.policy(['remove', 'others', '--because', 'dropped from the schema'])).code).toBe(0);
    expect((await app.policy(['show'])).code).toBe(0);
  });

  it('seals a read-only table once it has rows', async () => {
    const app = await application(
      'sealing',
      'CREATE TABLE notes (id int PRIMARY KEY, text text)',
      NOTES('@pgkeep.readOnly'),
    );
    expect((await app.policy(['apply'])).stdout).toBe(
      `Applied the policy to database "sealing": 1 table changed, 0 in force already.
  public.notes  read-only
  public.notes is open: it has no rows. Seed it, then run \`pgkeep policy apply\` again
`,
    );
    expect(await app.policy(['show'])).toMatchObject({
      code: 0,
      stdout: `table         rule       in the database
public.notes  read-only  open: empty when applied; seed it, then \`pgkeep policy apply\`
`,
    });
    await query(app.url, `INSERT INTO notes VALUES (1, 'seed')`);
    expect(await app.policy(['show'])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('still takes new rows: it was empty when its rule was applied'),
    });
    expect((await app.policy(['apply'])).stdout).toContain('sealed: INSERT is refused from now on');
    expect(await refusalOf(app.url, `INSERT INTO notes VALUES (2, 'late')`)).toBe(
      'pgkeep: INSERT of public.notes is refused: it is read-only since it was seeded',
    );
    expect((await app.policy(['show'])).code).toBe(0);
  });

  it('changes a rule as declared, and drops what it no longer needs', async () => {
    const app = await notes('changing', '@pgkeep.neverDelete @pgkeep.corrections');
    expect((await app.policy(['apply'])).code).toBe(0);
    app.declare(NOTES('@pgkeep.appendOnly'));
    expect((await app.policy(['show'])).stdout).toContain(
      'its rule changed in the schema since it was applied',
    );
    await app.policy(['apply']);
    app.declare(NOTES('@pgkeep.neverDelete'));
    expect(await app.policy(['apply'])).toMatchObject({
      code: 0,
      stdout: `Applied the policy to database "changing": 1 table changed, 0 in force already.
  public.notes  never deleted  applied again
`,
    });
    expect(await refusalOf(app.url, `UPDATE notes SET text = 'free'`)).toBe('done');
    expect((await recorded(app.url)).at(-1)).toEqual({
      action: 'applied',
      table: 'public.notes',
      rule: 'never deleted',
      before: 'append-only',
      sealed: false,
    });
  });

  it('wants a rule for every table where the datasource says so', async () => {
    const datasource = '/// @pgkeep.everyModel\ndatasource db {\n  provider = "postgresql"\n}\n';
    const app = await application(
      'every',
      'CREATE TABLE notes (id int PRIMARY KEY, text text); CREATE TABLE free (id int PRIMARY KEY); CREATE TABLE stray (id int); CREATE TABLE caches (id int PRIMARY KEY)',
      `${datasource}${NOTES('@pgkeep.neverDelete')}model free {\n  id Int @id\n}\n/// @pgkeep.deletable\nmodel caches {\n  id Int @id\n}\n`,
    );
    expect((await app.policy(['check'])).stdout).toBe(
      'prisma/schema.prisma:12: model free: no rule says what may happen to its rows, and the datasource wants one for every model (@pgkeep.everyModel). Add /// @pgkeep.neverDelete, or another rule; /// @pgkeep.deletable allows everything.\n',
    );
    expect((await app.policy(['apply'])).code).toBe(0);
    const shown = `table          rule           in the database
public.notes   never deleted  ok
public.caches  deletable      ok
public.free    none           has no rule, and every table needs one
public.stray   none           has no rule, and every table needs one
`;
    expect((await app.policy(['show'])).stdout).toContain(shown);
    // Without a Prisma schema, what was applied says the same.
    const elsewhere = new PolicyApplication(app.url, '');
    elsewhere.remove();
    expect((await elsewhere.policy(['show'])).stdout).toContain(
      'public.stray   none           has no rule, and every table needs one\nNo Prisma schema was found: these are the rules that were applied.',
    );
  });
});
