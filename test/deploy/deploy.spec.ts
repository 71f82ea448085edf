import { readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const NICKNAME = `ALTER TABLE "children" ADD COLUMN "nickname" TEXT;
UPDATE "children" SET "nickname" = "full_name" WHERE "nickname" IS NULL;
`;
const INDEX = `CREATE INDEX CONCURRENTLY "children_nickname_idx" ON "children" ("nickname");\n`;

const PLAN = `deploy    2 migrations into database "DATABASE" (test)
          20991231000000_nickname: 2 statements
          20991231000500_index: 1 statement, not as one transaction
tables    public.children: about 1,000 rows, 152.0 kB
limits    5000 ms for a lock, 900000 ms for a statement
NOTES
0 errors, 0 warnings in 2 files checked (pending migrations; --all checks every one).
Table sizes are from the database.
`;
const UNSTAMPED = 'note      the database is not stamped as test: `pgkeep install`, `pgkeep stamp test`\n';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

describe('pgkeep migrate deploy', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  const clinic = async (name: string): Promise<DeployedApplication> =>
    new DeployedApplication(await createClinic(own, name, { seeded: true }));
  const plan = (database: string, notes: string): string =>
    PLAN.replace('DATABASE', database).replace('NOTES', notes);

  it('shows the plan, backs up, applies, verifies, counts and records', async () => {
    const application = await clinic('happy');
    const { url } = application;
    expect((await runCli(['install'], { NODE_ENV: 'test', DATABASE_URL: url })).code).toBe(0);
    expect((await runCli(['stamp', 'test'], { NODE_ENV: 'test', DATABASE_URL: url })).code).toBe(0);
    application.add('20991231000000_nickname', NICKNAME).add('20991231000500_index', INDEX);

    const { code, stdout, stderr } = await application.deploy();
    expect(stderr).toBe(
      `${plan('happy', '')}\nBacking up\nApplying 20991231000000_nickname\nApplying 20991231000500_index\n`,
    );
    expect(stdout.replace(/\d+\.\d s/, 'N s').replace(/\d{8}_\d{6}/, 'TIME')).toBe(
      `Deployed 2 migrations into database "happy" (test) in N s; the history shows them as finished.\n` +
        `  backup made before: happy_test_TIME\n`,
    );
    expect(code).toBe(0);

    const backups = path.join(application.directory, 'backups');
    expect(readdirSync(backups).length).toBeGreaterThan(0);
    const { rows } = await query(
      url,
      `SELECT finished_at IS NOT NULL AS finished, applied_steps_count AS steps, logs
         FROM _prisma_migrations WHERE migration_name LIKE '2099%' ORDER BY migration_name`,
    );
    const row = { finished: true, steps: 1, logs: null };
    expect(rows).toEqual([row, row]);
    const recorded = await query(
      url,
      `SELECT action, subject, details FROM pgkeep.change_log ORDER BY seq DESC LIMIT 1`,
    );
    expect(recorded.rows).toEqual([
      {
        action: 'deploy',
        subject: 'happy',
        details: {
          outcome: 'applied',
          environment: 'test',
          backup: expect.stringMatching(/^happy_test_/),
          migrations: ['20991231000000_nickname', '20991231000500_index'],
          shrunk: [],
        },
      },
    ]);

    expect(await application.deploy()).toEqual({
      code: 0,
      stderr: '',
      stdout: 'Nothing to deploy: database "happy" (test) is up to date.\n',
    });
  });

  it('--dry-run shows the plan and the SQL, and touches nothing', async () => {
    const application = await clinic('dry');
    application.add('20991231000000_nickname', NICKNAME).add('20991231000500_index', INDEX);
    expect(await application.deploy(['--dry-run'])).toEqual({
      code: 0,
      stderr: '',
      stdout: `${plan('dry', UNSTAMPED)}
-- prisma/migrations/20991231000000_nickname/migration.sql
${NICKNAME}
-- prisma/migrations/20991231000500_index/migration.sql
${INDEX}`,
    });
    expect(readdirSync(application.directory)).toEqual(['prisma']);
    const { rows } = await query(
      application.url,
      `SELECT count(*)::int AS count FROM _prisma_migrations WHERE migration_name LIKE '2099%'`,
    );
    expect(rows).toEqual([{ count: 0 }]);
  });

  it('applies the complete history to an empty database', async () => {
    const application = new DeployedApplication(await createDatabase(own, 'fresh'));
    const { code, stdout } = await application.quickly(['--json']);
    const report: unknown = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(report).toMatchObject({
      database: 'fresh',
      applied: readdirSync(CLINIC_MIGRATIONS).filter((name) => name.startsWith('2')),
      backup: null,
      shrunk: [],
      notCounted: [],
      retries: 0,
      recorded: false,
    });
  });

  it('reports tables with fewer rows than before, or dropped ones', async () => {
    const application = await clinic('shrunk');
    application.add(
      '20991231000000_clean',
      `-- pgkeep:allow drop-table because it is no longer read
DROP TABLE "who_growth_standards";
DELETE FROM "session_quiz_steps" WHERE "id" IN (SELECT "id" FROM "session_quiz_steps" LIMIT 10);
`,
    );
    const { stdout } = await application.quickly();
    const [, ...reported] = stdout.trimEnd().split('\n');
    expect(reported).toEqual([
      '  WARNING   public.who_growth_standards no longer exists; it had 244 rows',
      '  WARNING   public.session_quiz_steps has 7,162 rows; it had 7,172',
      'Done, but not recorded: Cannot record deploy in the audit log: the database has no table pgkeep.change_log. Run `pgkeep install`.',
    ]);
  });

  it('is refused by lint errors, and allowed by a waiver', async () => {
    const application = await clinic('linted');
    application.add('20991231000000_code', 'ALTER TABLE "children" ADD COLUMN "code" CHAR(8) NOT NULL;\n');
    const { code, stdout, stderr } = await application.deploy();
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('  error    required-column  at 1:35\n');
    expect(stderr.trimEnd().split('\n').slice(-3)).toEqual([
      'Refused to deploy: the lint found an error in the pending migrations. Nothing was touched.',
      'Rewrite the migration as the finding says. If the change is intended, add this line above the statement: -- pgkeep:allow RULE because REASON',
      'If other databases applied it long ago, add it to the baseline and commit the file that this writes: npx pgkeep migrate lint --write-baseline',
    ]);
    expect((await application.deploy(['--dry-run'])).code).toBe(3);
    application.add(
      '20991231000000_code',
      `-- pgkeep:allow drop-column because it was never used\nALTER TABLE "children" DROP COLUMN "full_name";\n`,
    );
    expect((await application.quickly()).code).toBe(0);
  });

  it('production: refused as another environment and without a backup', async () => {
    const application = await clinic('guarded');
    const { url } = application;
    application.add('20991231000000_nickname', NICKNAME);
    await runCli(['install'], { DATABASE_URL: url });
    await runCli(['stamp', 'production'], { NODE_ENV: 'production', DATABASE_URL: url });
    expect(await application.quickly()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: this is test (NODE_ENV), and the database is stamped production. Nothing was touched.
Use \`--env production\`, or point DATABASE_URL at the test database.
`,
    });
    expect(await application.quickly([], { NODE_ENV: 'production' })).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: a deploy to production requires a backup. Nothing was touched.
Omit --without-backup: the backup is made first.
`,
    });
  });
});
