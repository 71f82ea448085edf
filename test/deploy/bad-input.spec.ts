import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

describe('a deploy that gets bad input', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const clinic = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createClinic(own, name, { seeded: true }));
  const bare = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createDatabase(own, name), { clinic: false });
  /** What is printed after the plan. */
  const message = (stderr: string): string => stderr.slice(stderr.search(/^(?:Refused|Migration) /m));
  const columns = async (url: string, table: string): Promise<string[]> => {
    const { rows } = await query(
      url,
      `SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 ORDER BY 1`,
      [table],
    );
    return rows.map(({ name }) => String(name));
  };

  it('a syntax error in the middle of several statements: refused with its position', async () => {
    const application = await bare('syntax');
    application.add(
      '1_first',
      'CREATE TABLE a (id INT);\nCREATE TABEL b (id INT);\nCREATE TABLE c (id INT);\n',
    );
    const { code, stderr } = await application.quickly();
    expect(code).toBe(3);
    expect(stderr).toContain(`  error    syntax-error  at 2:8
    2 | CREATE TABEL b (id INT);
      |        ^
    PostgreSQL refuses this: syntax error at or near "TABEL".
`);
    expect(message(stderr)).toBe(
      `Refused to deploy: the lint found an error in the pending migrations. Nothing was touched.
Rewrite the migration as the finding says. If the change is intended, add this line above the statement: -- pgkeep:allow RULE because REASON
`,
    );
    expect(await columns(application.url, 'a')).toEqual([]);
  });

  it('a runtime error in the middle of several statements: named, and everything is rolled back', async () => {
    const application = await bare('middle');
    application
      .add('1_first', 'CREATE TABLE a (id INT);\n')
      .add(
        '2_second',
        `-- é\nCREATE TABLE b (id INT);\nDO $$ BEGIN PERFORM no_such_function(); END $$;\nCREATE TABLE c (id INT);\n`,
      );
    application.add('3_third', 'CREATE TABLE d (id INT);\n');
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toBe(
      `Migration 2_second failed at statement 2 of 3, prisma/migrations/2_second/migration.sql:3:1
  DO $$ BEGIN PERFORM no_such_function(); END $$;
PostgreSQL reported: function no_such_function() does not exist (42883); HINT: No function matches the given name and argument types. You might need to add explicit type casts.
The migration was rolled back completely: the database is as it was before it.
Applied before it and kept: 1_first.
Not run: 3_third.
Fix prisma/migrations/2_second/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
`,
    );
    expect(await columns(application.url, 'b')).toEqual([]);
    const { rows } = await query(
      application.url,
      `SELECT migration_name AS name, finished_at IS NULL AS failed, applied_steps_count AS steps,
              logs LIKE '%no_such_function%' AS logged FROM _prisma_migrations ORDER BY 1`,
    );
    expect(rows).toEqual([
      { name: '1_first', failed: false, steps: 1, logged: null },
      { name: '2_second', failed: true, steps: 0, logged: true },
    ]);
  });

  it('data that violates the change: no value of a row in the message', async () => {
    const application = await clinic('data');
    application.add(
      '20991231000000_unique',
      `ALTER TABLE "children" ADD COLUMN "x" INTEGER;\nCREATE UNIQUE INDEX "one" ON "children" ("sex");\n`,
    );
    const { code, stderr } = await application.deploy();
    expect(code).toBe(1);
    expect(message(stderr).replace(/\d{8}_\d{6}\.$/m, 'TIME.')).toBe(
      `Migration 20991231000000_unique failed at statement 2 of 2, prisma/migrations/20991231000000_unique/migration.sql:2:1
  CREATE UNIQUE INDEX "one" ON "children" ("sex");
PostgreSQL reported: could not create unique index "one" (23505); DETAIL: Key (sex)=(…) is duplicated.
The values of the row are in column logs of _prisma_migrations; they may be personal data.
The migration was rolled back completely: the database is as it was before it.
Backup made before the deploy: data_test_TIME.
Fix prisma/migrations/20991231000000_unique/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 20991231000000_unique
  npx pgkeep migrate deploy
`,
    );
    expect(await columns(application.url, 'children')).not.toContain('x');
  });

  it('a failed statement outside a transaction: reports what it left and how to remove it', async () => {
    const application = await clinic('concurrent');
    application.add(
      '20991231000000_unique',
      `CREATE UNIQUE INDEX CONCURRENTLY "one" ON "children" ("sex");\n`,
    );
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toBe(
      `Migration 20991231000000_unique failed at statement 1 of 1, prisma/migrations/20991231000000_unique/migration.sql:1:1
  CREATE UNIQUE INDEX CONCURRENTLY "one" ON "children" ("sex");
PostgreSQL reported: could not create unique index "one" (23505); DETAIL: Key (sex)=(…) is duplicated.
The values of the row are in column logs of _prisma_migrations; they may be personal data.
The migration did not run as one transaction. Invalid indexes: public.one.
Undo by hand what was applied, fix prisma/migrations/20991231000000_unique/migration.sql, then:
  DROP INDEX CONCURRENTLY public.one;    (in psql)
  npx pgkeep migrate resolve --rolled-back 20991231000000_unique
  npx pgkeep migrate deploy
`,
    );
  });

  it('a transaction of the script’s own that fails half-way', async () => {
    const application = await bare('half');
    application.add(
      '1_half',
      'BEGIN;\nCREATE TABLE a (id INT);\nCOMMIT;\nBEGIN;\nCREATE TABLE b (id INT);\nSELECT 1 / 0;\nCOMMIT;\n',
    );
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toBe(
      `Migration 1_half failed at statement 6 of 7, prisma/migrations/1_half/migration.sql:6:1
  SELECT 1 / 0;
PostgreSQL reported: division by zero (22012)
The migration did not run as one transaction: statements 1 to 3 remain applied; statements 4 to 5 were rolled back.
Undo by hand what was applied, fix prisma/migrations/1_half/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 1_half
  npx pgkeep migrate deploy
Or finish it by hand. To see its statements and the command:
  npx pgkeep migrate resolve
`,
    );
    expect(await columns(application.url, 'a')).toEqual(['id']);
    expect(await columns(application.url, 'b')).toEqual([]);
    const { rows } = await query(
      application.url,
      `SELECT logs ~ 'division' AS logged FROM _prisma_migrations`,
    );
    expect(rows).toEqual([{ logged: true }]);
  });

  it('a transaction that is never ended: stock Prisma reports it as applied although nothing is', async () => {
    const application = await bare('open');
    const open = 'BEGIN;\nCREATE TABLE a (id INT);\n';
    application.add('1_open', open);
    const refused = await application.quickly();
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('  error    open-transaction  at 1:1\n');
    application.add('1_open', `-- pgkeep:allow open-transaction because this is a test\n${open}`);
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toBe(
      `Migration 1_open failed at statement 1 of 2, prisma/migrations/1_open/migration.sql:2:1
  BEGIN;
The file opens a transaction (BEGIN) here and does not end it: PostgreSQL rolled it back.
The migration was rolled back completely: the database is as it was before it.
Fix prisma/migrations/1_open/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 1_open
  npx pgkeep migrate deploy
`,
    );
    expect(await columns(application.url, 'a')).toEqual([]);
  });

  it('a migration that deletes its own row from the history', async () => {
    const application = await bare('removes');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    application.add(
      '2_second',
      `CREATE TABLE b (id INT);\nDELETE FROM _prisma_migrations WHERE migration_name = '2_second';\n`,
    );
    const { code, stderr } = await application.quickly();
    expect(code).toBe(1);
    expect(message(stderr)).toBe(
      `Migration 2_second failed at statement 2 of 2, prisma/migrations/2_second/migration.sql:2:1
  DELETE FROM _prisma_migrations WHERE migration_name = '2_second';
The migration deleted its own row from _prisma_migrations, so the history cannot record that it was applied.
The migration was rolled back completely: the database is as it was before it.
Applied before it and kept: 1_first.
Fix prisma/migrations/2_second/migration.sql, then:
  npx pgkeep migrate resolve --rolled-back 2_second
  npx pgkeep migrate deploy
`,
    );
    expect(await columns(application.url, 'b')).toEqual([]);
  });

  it('a failed row of another program', async () => {
    const application = await bare('failed');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    expect((await application.quickly()).code).toBe(0);
    await query(
      application.url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ('x', 'x', '2_theirs', '2026-01-02T03:04:05Z')`,
    );
    application.add('3_third', 'CREATE TABLE c (id INT);\n');
    const ways = `To see what was applied and the options:
  npx pgkeep migrate resolve
`;
    const why =
      'Refused to deploy: migration 2_theirs started on 2026-01-02 03:04:05 UTC and did not finish. Nothing was touched.\n';
    expect(await application.deploy()).toEqual({
      code: 3,
      stdout: '',
      stderr: `${why}No error was recorded: the program that ran it was killed or lost its connection. The migration may be applied completely, in part, or not at all.\n${ways}`,
    });
    await query(
      application.url,
      `UPDATE _prisma_migrations SET logs = E'ERROR: duplicate key\\nDETAIL: Key (name)=(Siti) exists.' WHERE id = 'x'`,
    );
    expect((await application.deploy()).stderr).toBe(
      `${why}Its error (the complete text is in column logs of _prisma_migrations): ERROR: duplicate key\n${ways}`,
    );
  });

  it('a directory older than the database, with a gap, with an edited file, with a migration merged late', async () => {
    const application = await bare('ahead');
    for (const name of ['1_first', '2_second', '4_fourth']) {
      application.add(name, `CREATE TABLE "${name}" (id INT);\n`);
    }
    expect((await application.quickly()).code).toBe(0);

    application.remove('4_fourth');
    expect(await application.deploy()).toEqual({
      code: 0,
      stderr: expect.stringContaining(
        'note      the database is ahead of this directory: it has migration 4_fourth\n',
      ),
      stdout: 'Nothing to deploy: database "ahead" (test) is up to date.\n',
    });
    application.add('3_third', 'CREATE TABLE c (id INT);\n');
    expect(await application.deploy()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: the database is ahead of this directory: it has migration 4_fourth. Nothing was touched.
Deploy the version that migrated the database, or a newer one.
`,
    });
    application.add('4_fourth', `CREATE TABLE "4_fourth" (id INT);\n`);
    expect(await application.deploy()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: migration 3_third sorts before 4_fourth, which is already applied; this order was never tested. Nothing was touched.
Rename its directory with a later timestamp. If the order does not matter: \`pgkeep migrate deploy --out-of-order\`.
`,
    });
    expect((await application.quickly(['--out-of-order'])).code).toBe(0);
    application.add('5_fifth', 'CREATE TABLE e (id INT);\n').remove('2_second');
    expect(await application.deploy()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: the directory has a gap: it lacks migration 2_second, applied in the database, and has later ones. Nothing was touched.
Restore it from version control. To find it: \`git log --all --oneline -- '*/2_second/*'\`
`,
    });
    application.add('2_second', `CREATE TABLE "2_second" (id BIGINT);\n`);
    expect(await application.deploy()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: migration 2_second was changed after it was applied. Nothing was touched.
Restore the file from version control (\`git log -p -- '*/2_second/*'\`), and write the change as a new migration.
If the change is harmless, accept it and commit the file that this writes:
  npx pgkeep migrate lint --accept-edit 2_second --because "…"
`,
    });
  });

  it('no directory, the lock file of another database system, tables that no migration created', async () => {
    const application = await bare('strange');
    application.add('1_first', 'CREATE TABLE a (id INT);\n');
    await query(application.url, 'CREATE TABLE there_before (id INT)');
    expect((await application.deploy()).stderr).toBe(
      `Refused to deploy: the database has tables (public.there_before) and no migration history. Nothing was touched.
Mark the migrations that created these tables as applied, the first one first: \`npx pgkeep migrate resolve --applied 1_first\`
`,
    );
    application.write('migration_lock.toml', 'provider = "mysql"\n');
    const provider = await application.deploy();
    expect(provider.code).toBe(3);
    expect(provider.stderr).toMatch(
      /^Refused to deploy: \S+migration_lock.toml is for mysql, not for postgresql. Nothing was touched.\nSet MIGRATIONS_DIR to the migrations of the PostgreSQL database.\n$/,
    );
    rmSync(application.migrations, { recursive: true });
    expect((await application.deploy()).stderr).toMatch(
      /^Refused to deploy: cannot read the migrations directory \S+: ENOENT.*Nothing was touched.\nSet MIGRATIONS_DIR /,
    );
  });

  it('a byte order mark, CRLF, an empty file, one of 10 MB', async () => {
    const application = await bare('files');
    application.add('1_marked', '\uFEFFCREATE TABLE a (id INT);\n');
    const marked = await application.quickly();
    expect(marked.code).toBe(3);
    expect(marked.stderr).toContain(
      'The file begins with a byte order mark. Prisma sends it to PostgreSQL, which refuses it as a\n    syntax error.',
    );
    application.add(
      '1_marked',
      'CREATE TABLE a (\r\n  id INT\r\n);\r\nCREATE FUNCTION f() RETURNS INT LANGUAGE sql AS $$\r\nSELECT 1;\r\n$$;\r\n',
    );
    application.add('2_empty', '');
    const rows = Array.from({ length: 100_000 }, (_, id) => `(${id}, '${'x'.repeat(90)}')`);
    application.add(
      '3_large',
      `CREATE TABLE l (id INT, t TEXT);\nINSERT INTO l VALUES\n${rows.join(',\n')};\n`,
    );
    const { code, stdout, stderr } = await application.quickly(['--json']);
    expect({ code, stderr: stderr.includes('3_large: 2 statements') }).toEqual({ code: 0, stderr: true });
    expect(JSON.parse(stdout)).toMatchObject({ applied: ['1_marked', '2_empty', '3_large'] });
    const body = await query(application.url, `SELECT prosrc FROM pg_proc WHERE proname = 'f'`);
    expect(body.rows).toEqual([{ prosrc: '\r\nSELECT 1;\r\n' }]);
  });
});
