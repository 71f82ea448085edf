import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

const NAME = '20991231000000_contact';
const UP = `ALTER TABLE "parents" ADD COLUMN "phone" TEXT;
CREATE TABLE "visits" (id INT PRIMARY KEY);
`;
const DOWN = `-- reviewed
DROP TABLE "visits";
ALTER TABLE "parents" DROP COLUMN "phone";
`;
const UNSTAMPED = 'note      the database is not stamped as test: `pgkeep install`, `pgkeep stamp test`\n';

describe('pgkeep migrate rollback', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** The clinic with migration `contact` applied. */
  const clinic = async (name: string, down = DOWN): Promise<DeployedApplication> => {
    const application = new DeployedApplication(await createClinic(own, name, { seeded: true }));
    application.add(NAME, UP, down);
    expect((await application.quickly()).code).toBe(0);
    return application;
  };
  const message = (stderr: string): string => stderr.slice(stderr.search(/^Refused /m));
  const state = async (url: string): Promise<unknown> => {
    const { rows } = await query(
      url,
      `SELECT to_regclass('visits') IS NOT NULL AS visits, rolled_back_at IS NOT NULL AS "rolledBack",
              EXISTS (SELECT FROM information_schema.columns 
                       WHERE table_name = 'parents' AND column_name = 'phone') AS phone
         FROM _prisma_migrations WHERE migration_name = '${NAME}'`,
    );
    return rows;
  };
  const APPLIED = [{ visits: true, phone: true, rolledBack: false }];
  const ROLLED_BACK = [{ visits: false, phone: false, rolledBack: true }];

  it('shows the plan and the SQL, backs up, rolls back, marks, verifies, records, and names the next step', async () => {
    const application = await clinic('happy');
    const { url } = application;
    const settings = { NODE_ENV: 'test', DATABASE_URL: url };
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect((await runCli(['stamp', 'test'], settings)).code).toBe(0);
    await query(url, `UPDATE parents SET phone = '0812' WHERE id <= 3`);

    const { code, stdout, stderr } = await application.migrate([
      'rollback',
      '--lose',
      'public.parents.phone',
    ]);
    expect(stderr).toBe(`rollback  ${NAME} in database "happy" (test)
          prisma/migrations/${NAME}/down.sql: 2 statements, one transaction
loses     3 values of public.parents.phone (DROP COLUMN)
limits    5000 ms for a lock, 900000 ms for a statement

-- prisma/migrations/${NAME}/down.sql
${DOWN}
Backing up
Rolling back ${NAME}
`);
    expect(stdout.replace(/\d+\.\d s/, 'N s').replace(/\d{8}_\d{6}$/m, 'TIME')).toBe(
      `Rolled back ${NAME} in database "happy" (test) in N s; the history shows it as rolled back.
  backup made before: happy_test_TIME
  lost      3 values of public.parents.phone (DROP COLUMN)
The next \`pgkeep migrate deploy\` applies it again as long as it is in the directory; a build that contains it is not ready.
  to drop it: remove the change from the Prisma schema, and run \`rm -r prisma/migrations/${NAME}\`
  to change it: fix its migration.sql and down.sql, then deploy
`,
    );
    expect(code).toBe(0);
    expect(await state(url)).toEqual(ROLLED_BACK);
    expect(readdirSync(path.join(application.directory, 'backups')).length).toBeGreaterThan(0);
    const recorded = await query(
      url,
      'SELECT action, subject, details FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1',
    );
    expect(recorded.rows).toEqual([
      {
        action: 'rollback',
        subject: 'happy',
        details: {
          outcome: 'rolled back',
          environment: 'test',
          migration: NAME,
          backup: expect.stringMatching(/^happy_test_/),
          lost: [{ kind: 'column', name: 'public.parents.phone', what: 'DROP COLUMN', count: 3 }],
          shrunk: [],
        },
      },
    ]);

    // The structure that it left is the expected structure now.
    expect((await application.migrate(['drift'])).code).toBe(0);
    const structures = await query(
      url,
      'SELECT action FROM pgkeep.catalogue_fingerprint ORDER BY recorded_at',
    );
    expect(structures.rows.at(-1)).toEqual({ action: 'rollback' });
    const ready = await runCli(['ready'], settings, { cwd: application.directory });
    expect(ready.stdout).toContain('Migration issues: 1 rolled back [MIGRATIONS_ROLLED_BACK]');
    expect((await application.quickly()).stdout).toContain('Deployed 1 migration into database "happy"');
    const there = { visits: true, phone: true };
    expect(await state(url)).toEqual([
      { ...there, rolledBack: true },
      { ...there, rolledBack: false },
    ]);
    // Without the directory the history is not ahead: what was rolled back does not count.
    expect((await application.migrate(['rollback', NAME, '--without-backup'])).code).toBe(0);
    application.remove(NAME);
    const status = await application.migrate(['status', '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ pending: [], rolledBack: [], unknown: [] });
    expect(status.code).toBe(0);
  });

  it('its backup names the backup from before the deploy, which retention keeps as long', async () => {
    const application = new DeployedApplication(await createClinic(own, 'origin', { seeded: true }));
    const settings = { NODE_ENV: 'test', DATABASE_URL: application.url };
    expect((await runCli(['install'], settings)).code).toBe(0);
    application.add(NAME, UP, DOWN);
    const deployed = await application.deploy(['--json']);
    const { backup } = JSON.parse(deployed.stdout);
    expect(backup).toMatch(/^origin_test_/);
    const rolledBack = await application.migrate(['rollback', '--json']);
    const { backup: safety } = JSON.parse(rolledBack.stdout);
    const manifest = readFileSync(
      path.join(application.directory, 'backups', `${safety}.manifest.json`),
      'utf8',
    );
    expect(JSON.parse(manifest)).toMatchObject({ name: safety, reason: 'pre-migration', origin: backup });
    const pruned = await runCli(['backup', 'prune', '--dry-run', '--json'], settings, {
      cwd: application.directory,
    });
    const kept: { name: string; because: string[] }[] = JSON.parse(pruned.stdout).keep;
    expect(kept.find(({ name }) => name === backup)?.because).toContain(
      `before the deploy that was rolled back after ${safety}`,
    );
  });

  it('--dry-run shows the plan, and touches nothing', async () => {
    const application = await clinic('dry');
    expect(await application.migrate(['rollback', '--dry-run'])).toEqual({
      code: 0,
      stderr: '',
      stdout: `rollback  ${NAME} in database "dry" (test)
          prisma/migrations/${NAME}/down.sql: 2 statements, one transaction
loses     nothing
limits    5000 ms for a lock, 900000 ms for a statement
${UNSTAMPED}
-- prisma/migrations/${NAME}/down.sql
${DOWN}`,
    });
    await query(application.url, 'INSERT INTO visits VALUES (1)');
    const { code, stdout } = await application.migrate(['rollback', '--dry-run']);
    expect(stdout).toContain('loses     1 row of public.visits (DROP TABLE): needs --lose public.visits\n');
    expect(code).toBe(3);
    expect(await state(application.url)).toEqual(APPLIED);
    expect(readdirSync(application.directory)).toEqual(['prisma']);
  });

  it('refuses to lose rows and values unless each is confirmed by name', async () => {
    const application = await clinic('loses');
    await query(
      application.url,
      `INSERT INTO visits SELECT generate_series(1, 1200); UPDATE parents SET phone = '0812'`,
    );
    const first = await application.migrate(['rollback', '--lose', 'parents.phone']);
    expect(message(first.stderr)).toBe(
      `Refused to roll back: it would lose 1,200 rows of public.visits (DROP TABLE). Nothing was touched.
If this is intended:
  npx pgkeep migrate rollback ${NAME} --lose public.visits --lose public.parents.phone
`,
    );
    expect(first.code).toBe(3);
    expect(await state(application.url)).toEqual(APPLIED);
    const all = ['--lose', 'public.visits', '--lose', 'public.parents.phone', '--without-backup'];
    const second = await application.migrate(['rollback', NAME, ...all, '--json']);
    expect(JSON.parse(second.stdout)).toEqual({
      database: 'loses',
      environment: 'test',
      migration: NAME,
      directory: `prisma/migrations/${NAME}`,
      backup: null,
      lost: [
        { kind: 'table', name: 'public.visits', what: 'DROP TABLE', count: 1200 },
        { kind: 'column', name: 'public.parents.phone', what: 'DROP COLUMN', count: 700 },
      ],
      shrunk: [{ name: 'public.visits', before: 1200, after: null }],
      notCounted: [],
      retries: 0,
      drifted: 0,
      notFingerprinted: expect.stringContaining('pgkeep install'),
      durationMs: expect.any(Number),
      notes: [expect.stringContaining('is not stamped')],
      recorded: false,
      notRecorded: expect.stringContaining('pgkeep install'),
    });
    expect(await state(application.url)).toEqual(ROLLED_BACK);
  });

  it.each([
    [
      'a foreign key that deletes',
      'DELETE FROM "sessions" WHERE "id" = (SELECT min("session_id") FROM "session_quiz_steps");',
      ['--lose', 'sessions'],
      /^\d+ rows of public\.session_quiz_steps$/,
      '--lose public.sessions --lose public.session_quiz_steps',
    ],
    [
      'TRUNCATE … CASCADE',
      'TRUNCATE "sessions" CASCADE;',
      ['--lose', 'sessions'],
      /^all rows of public\.session_quiz_steps$/,
      '--lose public.sessions --lose public.session_quiz_steps',
    ],
    [
      'SQL that is put together when it runs',
      `DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'who_growth' || '_standards'); EXECUTE 'ALTER TABLE parents DROP COLUMN ' || 'address'; END $$;`,
      [],
      /^column public\.parents\.address and its values; table public\.who_growth_standards and its rows$/,
      '--lose public.parents.address --lose public.who_growth_standards',
    ],
  ])('loss that the script’s text does not show: %s', async (what, down, lose, took, command) => {
    const application = await clinic(`unsaid_${what.length}`, `${down}\n`);
    await query(
      application.url,
      `ALTER TABLE session_quiz_steps DROP CONSTRAINT session_quiz_steps_session_id_fkey,
         ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE`,
    );
    const { code, stderr } = await application.migrate(['rollback', '--without-backup', ...lose]);
    const [first = '', ...rest] = message(stderr).trimEnd().split('\n');
    expect(
      /down\.sql removed (.*), which is not named in its SQL; this was rolled back\. Nothing was touched\.$/.exec(
        first,
      )?.[1],
    ).toMatch(took);
    expect(rest[0]).toBe('If this is intended:');
    expect(rest[1]).toContain(`  npx pgkeep migrate rollback ${NAME} ${command}`);
    expect(code).toBe(3);
    expect(await state(application.url)).toEqual(APPLIED);
    const again = rest[1]?.split(' ').slice(6) ?? [];
    const { code: second } = await application.migrate(['rollback', ...again, '--without-backup']);
    expect(second).toBe(0);
  });

  it.each([
    [
      'by its text',
      'DELETE FROM "session_quiz_steps";',
      `DELETE at prisma/migrations/${NAME}/down.sql:1:1 removes rows of public.session_quiz_steps, which is protected (PROTECTED_TABLES)`,
    ],
    [
      'by what it runs',
      `DO $$ BEGIN EXECUTE 'DELETE FROM session_' || 'quiz_steps WHERE id = (SELECT min(id) FROM session_quiz_steps)'; END $$;`,
      'down.sql removed 1 row of public.session_quiz_steps, which is protected (PROTECTED_TABLES) and not named in its SQL; this was rolled back',
    ],
  ])('keeps rows of a protected table, whatever is confirmed: %s', async (what, down, why) => {
    const application = await clinic(`protected_${what.length}`, `${down}\n`);
    const { code, stderr } = await application.migrate(
      ['rollback', '--without-backup', '--lose', 'public.session_quiz_steps'],
      { PROTECTED_TABLES: 'session_quiz_steps' },
    );
    expect(message(stderr)).toBe(
      `Refused to roll back: ${why}. Nothing was touched.
Rewrite down.sql so that it keeps the rows. If removing them is intended and approved, roll back once without that table in PROTECTED_TABLES.
`,
    );
    expect(code).toBe(3);
    expect(await state(application.url)).toEqual(APPLIED);
  });

  it('production requires a typed phrase, and always a backup', async () => {
    const application = await clinic('live');
    const { url } = application;
    const production = { NODE_ENV: 'production' };
    const settings = { ...production, DATABASE_URL: url };
    // The DDL guard refuses DROP there, except in a recorded deploy, which a rollback is.
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect((await runCli(['stamp', 'production'], settings)).code).toBe(0);
    expect((await runCli(['install', '--ddl-guard'], settings)).code).toBe(0);
    await expect(query(url, 'DROP TABLE visits')).rejects.toMatchObject({ code: 'PK003' });
    const run = async (...argv: string[]) => {
      const { code, stderr } = await application.migrate(['rollback', ...argv], production);
      return `${code} ${message(stderr)}`;
    };
    expect(await run('--without-backup')).toBe(
      `3 Refused to roll back: a rollback in production requires a backup. Nothing was touched.
Omit --without-backup: the backup is made first.
`,
    );
    const unconfirmed = `3 Refused to roll back: a rollback in production was not confirmed. Nothing was touched.
Type ROLLBACK_PRODUCTION when asked on a terminal, or pass \`--confirm ROLLBACK_PRODUCTION --target live\`.
`;
    expect(await run()).toBe(unconfirmed);
    expect(await run('--confirm', 'ROLLBACK_PRODUCTION')).toBe(unconfirmed);
    expect(await run('--confirm', 'yes', '--target', 'live')).toBe(unconfirmed);
    expect(await run('--confirm', 'ROLLBACK_PRODUCTION', '--target', 'other')).toBe(
      `3 Refused to roll back: --target is other, but DATABASE_URL points at database "live". Nothing was touched.
Check which database to roll back.
`,
    );
    const shell = await application.migrate(['rollback'], { NODE_ENV: 'development' });
    expect(message(shell.stderr)).toBe(
      `Refused to roll back: this is development (NODE_ENV), and the database is stamped production. Nothing was touched.
Use \`--env production\`, or point DATABASE_URL at the development database.
`,
    );
    expect(await state(url)).toEqual(APPLIED);
    const confirmed = ['--confirm', 'ROLLBACK_PRODUCTION', '--target', 'live'];
    const { code, stdout } = await application.migrate(['rollback', ...confirmed], production);
    expect(stdout).toContain('  backup made before: live_production_');
    expect(code).toBe(0);
    expect(await state(url)).toEqual(ROLLED_BACK);
  });

  it('supports another PostgreSQL schema than public, and names that need quotes', async () => {
    const url = `${await createDatabase(own, 'other_schema')}?schema=Klinik`;
    const application = new DeployedApplication(url, { clinic: false });
    application.add('20990101000000_first', 'CREATE TABLE "Orang Tua" ("No. HP" TEXT);\n');
    application.add(
      NAME,
      'ALTER TABLE "Orang Tua" ADD COLUMN "E-Mail" TEXT;\n',
      'ALTER TABLE "Orang Tua" DROP COLUMN "E-Mail";\n',
    );
    expect((await application.quickly()).code).toBe(0);
    await query(url, `INSERT INTO "Klinik"."Orang Tua" VALUES ('1', '2')`);
    const { stderr } = await application.migrate(['rollback', '--without-backup']);
    expect(message(stderr)).toBe(
      `Refused to roll back: it would lose 1 value of Klinik.Orang Tua.E-Mail (DROP COLUMN). Nothing was touched.
If this is intended:
  npx pgkeep migrate rollback ${NAME} --lose 'Klinik.Orang Tua.E-Mail'
`,
    );
    const argv = ['rollback', '--without-backup', '--lose', 'Klinik.Orang Tua.E-Mail'];
    expect((await application.migrate(argv)).code).toBe(0);
    expect((await query(url, 'SELECT * FROM "Klinik"."Orang Tua"')).rows).toEqual([{ 'No. HP': '1' }]);
  });
});
