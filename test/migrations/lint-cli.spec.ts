import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Ajv, type AnySchemaObject } from 'ajv';
import { CLINIC_MIGRATIONS, createClinic, query } from '../support/clinic.js';
import { emptyDirectory, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** A directory of an application: the clinic's migrations, and one more. */
class Application {
  readonly directory = emptyDirectory();
  private readonly migrations = path.join(this.directory, 'prisma/migrations');

  constructor() {
    cpSync(CLINIC_MIGRATIONS, this.migrations, { recursive: true });
  }

  add(name: string, sql: string): this {
    mkdirSync(path.join(this.migrations, name), { recursive: true });
    writeFileSync(path.join(this.migrations, name, 'migration.sql'), sql);
    return this;
  }

  edit(name: string, sql = '\n-- changed\n'): void {
    appendFileSync(path.join(this.migrations, name, 'migration.sql'), sql);
  }

  async lint(argv: readonly string[] = [], environment: Record<string, string> = {}) {
    return await runCli(['migrate', 'lint', ...argv], environment, { cwd: this.directory });
  }

  async json(argv: readonly string[] = [], environment: Record<string, string> = {}) {
    const { stdout } = await this.lint(['--json', ...argv], environment);
    const run: unknown = JSON.parse(stdout);
    return run;
  }
}

const REQUIRED = `-- é\nALTER TABLE "children" ADD COLUMN "clinic_code" CHAR(8) NOT NULL;\n`;

// Each test starts programs, several of them.
jest.setTimeout(90_000);

describe('pgkeep migrate lint', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
  });
  afterAll(() => own.cluster.destroy());

  it('pending migrations, by the database’s own sizes; exit 1', async () => {
    const application = new Application().add('20991231000000_next', REQUIRED);
    expect(await application.lint([], { DATABASE_URL: url })).toEqual({
      code: 1,
      stderr: '',
      stdout: `prisma/migrations/20991231000000_next/migration.sql

  error    required-column  at 2:35
    2 | ALTER TABLE "children" ADD COLUMN "clinic_code" CHAR(8) NOT NULL;
      |                                   ^
    Column "clinic_code" is required, but the existing rows of "children" (about 1,000 rows, 152.0
    kB) have no value for it. The migration fails, and \`prisma migrate dev\` offers to reset the
    database, which deletes all data.
    Instead:
      -- Migration 1: add it as nullable, and release an application version that writes it
      SET lock_timeout = '5s';
      ALTER TABLE "children" ADD COLUMN "clinic_code" CHAR(8);
      -- Migration 2: fill the existing rows
      UPDATE "children" SET "clinic_code" = '' /* choose the value for the existing rows */ WHERE "clinic_code" IS NULL;
      -- Migration 3: require it
      SET lock_timeout = '5s';
      ALTER TABLE "children" ALTER COLUMN "clinic_code" SET NOT NULL;
    See docs/lint-rules.md#required-column

1 error, 0 warnings in 1 file checked (pending migrations; --all checks every one).
Table sizes are from the database.
`,
    });
  });

  it('an index on a small table is allowed, on a large one an error', async () => {
    const application = new Application().add(
      '20991231000000_next',
      `SET lock_timeout = '5s';\nCREATE INDEX "i" ON "children"("full_name");\n`,
    );
    expect((await application.lint([], { DATABASE_URL: url })).code).toBe(0);
    await query(url, `UPDATE pg_class SET reltuples = 3e6 WHERE relname = 'children'`);
    const { code, stdout } = await application.lint([], { DATABASE_URL: url });
    expect(code).toBe(1);
    expect(stdout).toContain(
      'CREATE INDEX blocks writes to "children" (about 3,000,000 rows, 152.0 kB) until',
    );
    await query(url, 'ANALYZE');
    expect((await application.lint()).stdout).toContain('"children" (size unknown, assumed to be large)');
  });

  it('a partitioned table is as large as its partitions; an empty table may get a required column', async () => {
    await query(
      url,
      `CREATE TABLE "parts" ("id" INTEGER) PARTITION BY RANGE ("id");
       CREATE TABLE "part" PARTITION OF "parts" FOR VALUES FROM (0) TO (100000);
       INSERT INTO "parts" SELECT generate_series(0, 19999);
       CREATE TABLE "empty" ("id" INTEGER);
       ANALYZE "parts"; ANALYZE "part"`,
    );
    const application = new Application().add(
      '20991231000000_next',
      `SET lock_timeout = '5s';
       ALTER TABLE "empty" ADD COLUMN "a" TEXT NOT NULL;
       ALTER TABLE "parts" ADD COLUMN "a" TEXT NOT NULL;`,
    );
    expect(await application.json([], { DATABASE_URL: url })).toMatchObject({
      findings: [
        {
          rule: 'required-column',
          line: 3,
          message: expect.stringContaining('"parts" (about 20,000 rows,'),
        },
      ],
    });
    await query(url, 'DROP TABLE "parts", "empty"');
  });

  it('nothing pending: nothing to check, but an edited migration is reported', async () => {
    const application = new Application();
    expect(await application.lint([], { DATABASE_URL: url })).toEqual({
      code: 0,
      stderr: '',
      stdout: `Nothing to check (pending migrations; --all checks every one).
Table sizes are from the database.
`,
    });
    application.edit('20250708064500_who_growth_standards', '\nSELECT 1;\n');
    expect(await application.json([], { DATABASE_URL: url })).toMatchObject({
      findings: [
        {
          rule: 'edited-after-apply',
          file: 'prisma/migrations/20250708064500_who_growth_standards/migration.sql',
        },
      ],
    });
  });

  it('the clinic’s own migrations, by its own sizes', async () => {
    const { code, stdout } = await new Application().lint(['--all'], { DATABASE_URL: url });
    expect(code).toBe(0);
    expect(stdout).toBe(`0 errors, 0 warnings in 9 files checked (all migrations).
Table sizes are from the database.
`);
  });

  it('without a database, in production too: all migrations, and why; a baseline exempts them', async () => {
    const application = new Application();
    const { code, stdout } = await application.lint([], { NODE_ENV: 'production' });
    expect(code).toBe(1);
    expect(stdout.trimEnd().split('\n').slice(-3)).toEqual([
      '7 errors, 0 warnings in 9 files checked (all migrations).',
      'Every table that is not new is assumed to be large: no database is configured.',
      'To exempt migrations that were applied long ago, list them once with --write-baseline.',
    ]);
    const down = await application.lint(['prisma/migrations/20250310073000_init'], {
      DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/db',
    });
    expect(down).toEqual({
      code: 0,
      stderr: '',
      stdout: `0 errors, 0 warnings in 1 file checked (the named files).
Every table that is not new is assumed to be large: 127.0.0.1:1/db does not answer: connect ECONNREFUSED 127.0.0.1:1.
`,
    });
    expect(await application.lint(['--write-baseline'])).toEqual({
      code: 0,
      stderr: '',
      stdout: `Listed 9 migrations in ${path.join(application.directory, 'prisma/pgkeep-lint-baseline.json')}. Each is checked again only when it changes. Commit that file.\n`,
    });
    expect((await application.lint()).stdout).toBe(`Nothing to check (all migrations).
9 migrations not checked: unchanged since the baseline.
Every table that is not new is assumed to be large: no database is configured.
`);
    application.edit('20260112081000_soft_delete_indexes');
    application.add('20991231000000_next', REQUIRED);
    const back = path.join(application.directory, 'prisma/migrations/20991231000000_next/down.sql');
    writeFileSync(back, 'DROP TABLE "children";');
    expect(await application.json(['prisma'])).toMatchObject({ files: 2, baselined: 8 });
    expect(await application.json()).toMatchObject({
      files: 2,
      baselined: 8,
      counts: { error: 6, warning: 0 },
    });
    const damaged = path.join(application.directory, 'prisma/pgkeep-lint-baseline.json');
    writeFileSync(damaged, '{"migrations": {"a": 7}}');
    expect(await application.lint()).toEqual({
      code: 1,
      stdout: '',
      stderr: `Cannot read the lint baseline ${damaged}: the checksum of a is not a sha256.
Restore it from version control, or write it again: \`pgkeep migrate lint --write-baseline\`.
`,
    });
  });

  it('wrong usage: exit 2, and what is accepted', async () => {
    const application = new Application();
    expect(await application.lint(['--format', 'xml'])).toEqual({
      code: 2,
      stdout: '',
      stderr: 'There is no format "xml".\nUse one of text, json, sarif.\n',
    });
    const missing = await application.lint(['nowhere.sql']);
    expect(missing.code).toBe(2);
    expect(missing.stderr).toMatch(/^Cannot lint nowhere\.sql: ENOENT: no such file or directory, /);
    const reference = await application.lint(['--changed-since', '--upload-pack=x']);
    expect(reference.code).toBe(2);
    expect(reference.stderr).toContain('since --upload-pack=x. git: ');
  });

  it('--changed-since: changed migrations are checked, other SQL is a finding', async () => {
    const application = new Application();
    const git = (...argv: string[]): void => {
      const identity = ['-c', 'user.name=t', '-c', 'user.email=t@localhost', '-c', 'commit.gpgsign=false'];
      execFileSync('git', ['-C', application.directory, ...identity, ...argv], { stdio: 'pipe' });
    };
    writeFileSync(path.join(application.directory, 'old.sql'), 'SELECT 1;');
    const other = path.join(application.directory, 'other/migrations');
    mkdirSync(path.join(other, '20250101000000_first'), { recursive: true });
    writeFileSync(path.join(other, 'migration_lock.toml'), 'provider = "postgresql"\n');
    git('init', '--quiet', '--initial-branch=main');
    git('add', '.');
    git('commit', '--quiet', '--message=before');
    git('checkout', '--quiet', '-b', 'change');
    writeFileSync(path.join(other, '20250101000000_first/migration.sql'), 'CREATE TABLE "t" ("id" INTEGER);');
    application.add('20991231000000_next', REQUIRED);
    writeFileSync(path.join(application.directory, 'fix é.sql'), 'DROP TABLE x;');
    git('add', '.');
    git('commit', '--quiet', '--message=change');
    writeFileSync(path.join(application.directory, 'prisma/untracked.sql'), 'SELECT 1;');
    writeFileSync(
      path.join(application.directory, 'demo.sql'),
      '-- pgkeep:allow sql-outside-migrations because it fills the demo\nSELECT 1;',
    );
    expect(await application.json(['--changed-since', 'main'])).toMatchObject({
      scope: 'changed',
      files: 5,
      findings: [
        { rule: 'required-column', file: 'prisma/migrations/20991231000000_next/migration.sql' },
        { rule: 'sql-outside-migrations', file: 'fix é.sql' },
        { rule: 'sql-outside-migrations', file: 'prisma/untracked.sql' },
      ],
      waived: [{ file: 'demo.sql', reason: 'it fills the demo' }],
    });
    expect((await application.lint(['--changed-since', 'nowhere'])).stderr).toMatch(
      /^Cannot find what changed since nowhere\. git: fatal: Needed a single revision\n/,
    );
  });

  it('SARIF that its schema accepts, waived findings suppressed', async () => {
    const application = new Application().add(
      '20991231000000_next',
      `${REQUIRED}-- pgkeep:allow truncate because the rows are a cache\nTRUNCATE "parents";\nLOCK TABLE "parents";\n`,
    );
    const { stdout, code } = await application.lint(['--format', 'sarif']);
    expect(code).toBe(1);
    const sarif: unknown = JSON.parse(stdout);
    const schema: AnySchemaObject = JSON.parse(
      readFileSync('test/support/sarif-2.1.0-rtm.5.schema.json', 'utf8')
        // Ajv supports later drafts than 4; only these two keywords differ.
        .replace('http://json-schema.org/draft-04/schema#', 'http://json-schema.org/draft-07/schema#')
        .replace('"id": "https', '"$id": "https'),
    );
    const validate = new Ajv({ strict: false, validateFormats: false, unicodeRegExp: false }).compile(schema);
    expect([validate(sarif), validate.errors]).toEqual([true, null]);
    expect(sarif).toMatchObject({
      runs: [
        {
          tool: {
            driver: {
              rules: expect.arrayContaining([
                expect.objectContaining({
                  id: 'required-column',
                  shortDescription: { text: 'A required column added in one step to a table that has rows' },
                  helpUri: `${pathToFileURL('docs/lint-rules.md').href}#required-column`,
                }),
                {
                  id: 'lock-table',
                  shortDescription: { text: 'LOCK TABLE that blocks writes' },
                  fullDescription: {
                    text: 'Writes to the table wait until the transaction ends; reads as well in `ACCESS EXCLUSIVE` mode.',
                  },
                  help: {
                    text: `What breaks: Writes to the table wait until the transaction ends; reads as well in \`ACCESS EXCLUSIVE\` mode.
Instead: Remove it: each statement takes the lock that it needs.
See docs/lint-rules.md#lock-table`,
                    markdown: `**What breaks:** Writes to the table wait until the transaction ends; reads as well in \`ACCESS EXCLUSIVE\` mode.

**Instead:** Remove it: each statement takes the lock that it needs.

See \`docs/lint-rules.md#lock-table\`.`,
                  },
                  helpUri: `${pathToFileURL('docs/lint-rules.md').href}#lock-table`,
                },
              ]),
            },
          },
          results: expect.arrayContaining([
            expect.objectContaining({
              suppressions: [{ kind: 'inSource', justification: 'the rows are a cache' }],
            }),
          ]),
        },
      ],
    });
  });

  it('squawk, if it is installed: only findings that pgkeep has no rule for', async () => {
    const application = new Application().add('20991231000000_next', REQUIRED);
    const binaries = path.join(application.directory, 'node_modules/.bin');
    mkdirSync(binaries, { recursive: true });
    symlinkSync(path.resolve('test/support/fake-squawk.mjs'), path.join(binaries, 'squawk'));
    const target = 'prisma/migrations/20991231000000_next/migration.sql';
    const { stdout } = await application.lint([target]);
    expect(stdout).toContain(`  warning  squawk/ban-char-field  at 2:49
    2 | ALTER TABLE "children" ADD COLUMN "clinic_code" CHAR(8) NOT NULL;
      |                                                 ^
    Using \`character\` is likely a mistake and should almost always be replaced by \`text\` or
    \`varchar\`.
`);
    expect(stdout).toContain('\nsquawk was run as well.\n');
    expect(stdout.match(/squawk\/\S+/g)).toEqual(['squawk/ban-char-field']);
    expect(await application.json(['--no-squawk', target])).toMatchObject({
      withSquawk: false,
      counts: { warning: 0, error: 1 },
    });
  });

  it('prints no control character of a migration', async () => {
    const application = new Application().add('20991231000000_next', 'TRUNCATE "\u001b[2J\u0007t";\n');
    const { stdout } = await application.lint(['prisma/migrations/20991231000000_next']);
    expect(stdout).toContain('TRUNCATE removes every row of "\uFFFD[2J\uFFFDt"');
    expect(stdout.includes('\u001b') || stdout.includes('\u0007')).toBe(false);
  });

  it('squawk that does not work: an error, and how to switch it off', async () => {
    const application = new Application();
    const binary = path.join(application.directory, 'node_modules/.bin/squawk');
    mkdirSync(path.dirname(binary), { recursive: true });
    writeFileSync(binary, '#!/bin/sh\necho "not for this machine" >&2\nexit 126\n', { mode: 0o755 });
    expect(await application.lint()).toEqual({
      code: 1,
      stdout: '',
      stderr: `Cannot run ${binary}: not for this machine.
Fix or remove it, or run without it: \`pgkeep migrate lint --no-squawk\`.
`,
    });
  });

  it('a directory without migration.sql is a finding; the others are checked', async () => {
    const application = new Application().add('20991231000000_next', REQUIRED);
    mkdirSync(path.join(application.directory, 'prisma/migrations/20991231000100_empty'));
    const { code, stdout, stderr } = await application.lint([], { NODE_ENV: 'production' });
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toContain('  error    required-column  at 2:35\n');
    expect(stdout).toContain(`prisma/migrations/20991231000100_empty/migration.sql

  error    no-script  at 1:1
    The directory has no migration.sql, so Prisma and pgkeep refuse to apply any migration (P3015).
    Instead:
      -- Restore migration.sql from version control, or remove the directory.
    See docs/lint-rules.md#no-script
`);
    const { baselined } = Object(await application.json(['--write-baseline']).then(() => application.json()));
    expect(baselined).toBe(10);
  });

  it('checks for the program that applies the files', async () => {
    const application = new Application().add(
      '20991231000000_next',
      'ALTER TABLE "children" ADD COLUMN "a" TEXT;\nCREATE INDEX CONCURRENTLY "i" ON "children" ("a");\n',
    );
    const lint = async (engine: string) =>
      await application.lint(['--engine', engine, 'prisma/migrations/20991231000000_next']);
    expect((await lint('pgkeep')).stdout).toContain(
      `    CREATE INDEX CONCURRENTLY cannot run inside a transaction, so \`pgkeep migrate deploy\` applies
    the 2 statements of this file one by one. If one of them fails, those before it stay applied.
`,
    );
    const prisma = await lint('prisma');
    expect(prisma.code).toBe(0);
    expect(prisma.stdout).toContain('\nChecked for Prisma 7.4 and later.\n');
    expect(prisma.stdout).toContain('Prisma 7.4 and later sets no lock_timeout. While this');
    expect((await lint('prisma-before-7.4')).code).toBe(1);
    expect(await lint('flyway')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'There is no engine "flyway".\nUse one of pgkeep, prisma, prisma-before-7.4.\n',
    });
  });

  it('a change to an applied file can be accepted with a reason, and is then waived', async () => {
    const application = new Application();
    const name = '20250708064500_who_growth_standards';
    application.edit(name, '\nSELECT 1;\n');
    expect(await application.lint(['--accept-edit', name])).toEqual({
      code: 2,
      stdout: '',
      stderr: `Missing option: --because with the reason.
Add --because "…". The baseline keeps the reason, and every deploy shows it.
`,
    });
    const unknown = await application.lint(['--accept-edit', 'x', '--because', 'y']);
    expect([unknown.code, unknown.stderr.replace(application.directory, 'DIR')]).toEqual([
      2,
      'There is no migration "x" in DIR/prisma/migrations.\nUse the name of its directory. `pgkeep migrate status` lists the changed migrations.\n',
    ]);
    expect((await application.lint(['--accept-edit', name, '--because', 'a no-op'])).code).toBe(0);
    expect(await application.json([], { DATABASE_URL: url })).toMatchObject({
      findings: [],
      waived: [{ rule: 'edited-after-apply', reason: 'a no-op' }],
    });
  });

  it('status and /ready report as edited exactly what a deploy refuses: neither comments nor accepted changes', async () => {
    const application = new Application();
    const [commented, changed] = ['20250708064500_who_growth_standards', '20250310073000_init'];
    application.edit(commented);
    const status = async (): Promise<string> => {
      const options = { cwd: application.directory };
      return (await runCli(['migrate', 'status'], { DATABASE_URL: url }, options)).stdout;
    };
    const check = async (): Promise<unknown> => {
      const settings = {
        DATABASE_URL: url,
        NODE_ENV: 'test',
        READINESS_REFRESH_MS: '20000',
        READINESS_TIMEOUT_MS: '10000',
      };
      const { stdout } = await runCli(['ready', '--json'], settings, { cwd: application.directory });
      return JSON.parse(stdout).checks.migrations.details;
    };
    expect(await status()).not.toContain('edited');
    application.edit(changed, '\nSELECT 1;\n');
    expect(await status()).toContain(
      `1 edited after being applied: restore the file, write a new migration, or accept it with \`pgkeep migrate lint --accept-edit\`\n  ${changed}\n`,
    );
    expect(await check()).toBe('9/9 migrations applied; 1 edited after being applied');
    await application.lint(['--accept-edit', changed, '--because', 'a no-op']);
    expect(await status()).not.toContain('edited');
    expect(await check()).toBe('9/9 migrations applied');
  });

  it('the clinic has its baseline', () => {
    expect(existsSync('examples/clinic/prisma/pgkeep-lint-baseline.json')).toBe(true);
  });
});
