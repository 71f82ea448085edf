import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CLINIC_MIGRATIONS, createClinic, createDatabase, query, verified } from '../support/clinic.js';
import { OWN_MIGRATIONS } from '../support/own-migrations.js';
import { runCli, runExecutable } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('the command line', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
    environment = { DATABASE_URL: verified(own, url), MIGRATIONS_DIR: CLINIC_MIGRATIONS };
  });
  afterAll(() => own.cluster.destroy());

  it('ready: reports the same as text and as JSON, exit 0', async () => {
    const people = await runExecutable(['ready'], environment);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout.split('\n').slice(0, 4)).toEqual([
      'ready',
      expect.stringMatching(/^ {2}ok {4}database {8}PostgreSQL \d+(\.\d+)?, \d+ ms$/),
      '  ok    environment     development; not stamped: run `pgkeep install`, then `pgkeep stamp development`',
      '  ok    migrations      9/9 migrations applied',
    ]);
    const machines = await runCli(['ready', '--json'], environment);
    expect(machines.code).toBe(0);
    expect(JSON.parse(machines.stdout)).toMatchObject({
      status: 'ready',
      checks: { migrations: { ok: true, details: '9/9 migrations applied' } },
    });
  });

  it('ready: exit 1 when the database is not safe, with codes', async () => {
    const { code, stdout } = await runExecutable(['ready'], { ...environment, NODE_ENV: 'production' });
    expect(code).toBe(1);
    expect(stdout).toContain('NOT READY');
    expect(stdout).toContain(
      "  NO    backupConfig    BACKUP_ENABLED must be set to 'true' in production; BACKUP_RETENTION_DAYS must be set in production; No backup restore test is known - test backups every 90 days: `pgkeep restore test`, or set LAST_BACKUP_RESTORE_TEST_DATE [BACKUP_DISABLED]",
    );
    expect(stdout).toContain('\nWhat to do:\n');
    expect(stdout).toContain('\n  docs/checks.md#backup_disabled\n');
  });

  it('stats: a table as text, the HTTP body as JSON', async () => {
    const people = await runCli(['stats'], environment);
    expect(people.stdout).toMatch(
      /^\d+(\.\d+)? MB in 10 tables; \d+ of 100 connections in use\n\ntable +rows +size/,
    );
    expect(people.stdout).toMatch(/public\.session_quiz_steps +7,172 /);
    const machines: unknown = JSON.parse((await runCli(['stats', '--exact', '--json'], environment)).stdout);
    expect(machines).toMatchObject({
      tableCount: 10,
      tables: [{ name: 'public.session_quiz_steps', rowCount: 7172 }, {}, {}, {}, {}, {}, {}, {}, {}, {}],
    });
  });

  it('ping: reports which server answered, or why none did', async () => {
    const { stdout } = await runCli(['ping'], environment);
    expect(stdout).toMatch(
      /^PostgreSQL \S+ \(primary\), database "clinic", role "postgres", TLSv1\.3, \d+ ms\n$/,
    );
    const down = await runExecutable(['ping'], { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/db' });
    expect(down).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'Cannot connect to 127.0.0.1:1/db: connect ECONNREFUSED 127.0.0.1:1\nCheck the host and port of the database URL, and that the server runs and accepts connections from this machine.\n',
    });
    const json = await runCli(['ping', '--json'], { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/db' });
    expect(JSON.parse(json.stdout)).toEqual({
      error: {
        code: 'DATABASE_UNREACHABLE',
        message: 'Cannot connect to 127.0.0.1:1/db: connect ECONNREFUSED 127.0.0.1:1',
        hint: 'Check the host and port of the database URL, and that the server runs and accepts connections from this machine.',
      },
    });
  });

  it('install, then stamp; another stamp is refused with exit 3', async () => {
    const fresh = { DATABASE_URL: await createDatabase(own, 'fresh') };
    expect(await runCli(['install'], fresh)).toEqual({
      code: 0,
      stderr: '',
      stdout: `Applied to schema pgkeep:\n  ${OWN_MIGRATIONS.join('\n  ')}\n`,
    });
    expect((await runCli(['install'], fresh)).stdout).toBe('Nothing to do: schema pgkeep is current.\n');
    const stamped = await runCli(['stamp', 'staging'], fresh);
    expect(stamped.stdout).toMatch(/^Database "fresh" \(oid \d+, system \d+\) is now stamped staging\.\n$/);
    const refused = await runExecutable(['stamp', 'production', '--json'], fresh);
    expect(refused.code).toBe(3);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'STAMP_REFUSED' } });
  });

  it('changelog: a table as text; --verify finds what was changed, exit 1', async () => {
    const recorded = { DATABASE_URL: await createDatabase(own, 'recorded') };
    const never = await runCli(['changelog', '--json'], recorded);
    expect(never.code).toBe(1);
    expect(JSON.parse(never.stdout)).toMatchObject({
      error: { code: 'NOT_INSTALLED', hint: 'Run `pgkeep install`.' },
    });
    await runCli(['install'], recorded);
    await runCli(['stamp', 'staging'], recorded);
    const people = await runCli(['changelog'], recorded);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout.split('\n')).toEqual([
      expect.stringMatching(/^entry {2}time {22}action {3}subject {3}role {6}actor +details$/),
      expect.stringMatching(
        /^ {4}1 {2}\S+Z {2}install {2}recorded {2}postgres {2}\S+@\S+ {2}\{"applied":\["20261120080000_database_environment",.*\]\}$/,
      ),
      expect.stringMatching(
        /^ {4}2 {2}\S+Z {2}stamp {4}recorded {2}postgres {2}\S+@\S+ {2}\{.*"to":"staging".*\}$/,
      ),
      '',
    ]);
    const newest = await runCli(['changelog', '--limit', '1'], recorded);
    expect(newest.stdout).toMatch(
      / 2 {2}.*\n\nThe newest 1 of 2 entries\. To show more: --limit NUMBER\.\n$/,
    );
    expect(JSON.parse((await runCli(['changelog', '--json'], recorded)).stdout)).toMatchObject({
      total: 2,
      entries: [
        { seq: 1, action: 'install' },
        { seq: 2, action: 'stamp' },
      ],
    });

    const intact = await runCli(['changelog', '--verify'], recorded);
    expect(intact).toMatchObject({ code: 0, stderr: '' });
    const [, head = ''] = /^chain of 2 entries is intact; head ([0-9a-f]{64})\n$/.exec(intact.stdout) ?? [];
    expect((await runCli(['changelog', '--head', head], recorded)).stdout).toBe(
      `chain of 2 entries is intact; head ${head}; the given head is entry 2\n`,
    );
    await query(
      recorded.DATABASE_URL,
      `ALTER TABLE pgkeep.change_log DISABLE TRIGGER change_log_keep; UPDATE pgkeep.change_log SET actor = 'x' WHERE seq = 1`,
    );
    expect(await runCli(['changelog', '--verify'], recorded)).toEqual({
      code: 1,
      stderr: '',
      stdout:
        'chain of 2 entries is damaged:\n  entry 1 was changed after it was recorded: its hash is not that of its contents\n  the audit log is not protected: trigger change_log_keep of pgkeep.change_log is missing or not enabled always\n',
    });
    const broken = await runCli(['changelog', '--verify', '--json'], recorded);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.stdout)).toMatchObject({
      verdict: 'broken',
      findings: [{ code: 'ENTRY_CHANGED', seq: 1 }, { code: 'GUARD_OFF' }],
    });
  });

  it('migrate status: lists names, exit 1 when not clean', async () => {
    const clean = await runCli(['migrate', 'status', '--json'], environment);
    expect([clean.code, JSON.parse(clean.stdout)]).toMatchObject([
      0,
      { applied: { length: 9 }, pending: [], failed: [], rolledBack: [], edited: [], unknown: [] },
    ]);
    const never = await runCli(['migrate', 'status'], {
      ...environment,
      DATABASE_URL: await createDatabase(own, 'never'),
    });
    expect(never.code).toBe(1);
    expect(never.stdout).toContain(
      'public._prisma_migrations does not exist: the database was never migrated.\n9 pending: `pgkeep migrate deploy` applies them\n  20250310073000_init\n',
    );
  });

  it('migrate status: reports an error for what it cannot read', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
    expect(await runCli(['migrate', 'status'], { ...environment, MIGRATIONS_DIR: directory })).toEqual({
      code: 1,
      stdout: '',
      stderr: `The migrations directory ${directory} holds no migration.\nSet MIGRATIONS_DIR to the application’s prisma/migrations, or copy them into the image.\n`,
    });
    const inClone = await runCli(['migrate', 'status'], { DATABASE_URL: url }, { cwd: process.cwd() });
    expect(inClone.stderr).toContain(' is pgkeep’s own, not the application’s.\n');
  });

  it('reads .env files, and says what the shell overrides', async () => {
    const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
    mkdirSync(path.join(directory, 'prisma'));
    writeFileSync(path.join(directory, '.env'), `DATABASE_URL=${url}\n`);
    writeFileSync(
      path.join(directory, '.env.staging'),
      `DATABASE_URL=${url}\nMIGRATIONS_DIR=${CLINIC_MIGRATIONS}\nREADINES_DETAILS=never\n`,
    );
    const { code, stdout, stderr } = await runCli(
      ['ready', '--env', 'staging'],
      { MIGRATIONS_DIR: `${CLINIC_MIGRATIONS}/.` },
      { cwd: directory },
    );
    expect(code).toBe(0);
    expect(stdout).toContain('environment     staging;');
    expect(stderr).toBe('Note: MIGRATIONS_DIR is set in the shell, which overrides .env.staging.\n');
  });

  it.each([
    [['stmp'], "error: unknown command 'stmp'\n(Did you mean stamp?)"],
    [['stamp'], "error: missing required argument 'environment'"],
    [
      ['stamp', 'prod'],
      "error: command-argument value 'prod' is invalid for argument 'environment'. Allowed choices are development, test, staging, production.",
    ],
    [['changelog', '--limit', '0'], 'Use an integer of at least 1.'],
    [['changelog', '--head', 'abc'], '64 hexadecimal digits.'],
    [['ready', '--jsn'], "error: unknown option '--jsn'\n(Did you mean --json?)"],
    [
      ['ready', '--env', 'prod'],
      'There is no environment "prod".\nUse one of development, test, staging, production.',
    ],
  ])('%j is wrong usage: exit 2', async (argv, message) => {
    const run = argv[0] === 'stmp' ? runExecutable : runCli;
    const { code, stdout, stderr } = await run(argv, environment);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });

  it('a fault in the settings: exit 78, no secret shown', async () => {
    const wrong = { ...environment, DATABASE_URL: 'postgres//u:hunter2@h/db', DB_POOL_MAX: 'x' };
    expect(await runExecutable(['ready'], wrong)).toEqual({
      code: 78,
      stdout: '',
      stderr: [
        '2 settings are invalid:',
        '  DATABASE_URL must be a PostgreSQL URL (postgresql://user:password@host:5432/database): it must begin with postgresql:// or postgres://',
        '  DB_POOL_MAX must be a whole number (connections); it is "x"',
        'Every setting is described in .env.example and in docs/settings.md.',
        '',
      ].join('\n'),
    });
  });

  it.each([['--version'], ['-V'], ['version']])('%s: the version of pgkeep', async (argument) => {
    const { version }: { version: string } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(await runCli([argument], {})).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('--help: lists the verbs, exit 0, and loads nothing that only a verb needs', async () => {
    const imports = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-imports-')), 'imports');
    const { code, stdout } = await runExecutable(['--help'], {
      NODE_OPTIONS: `--import ${path.resolve('test/support/record-imports.mjs')}`,
      RECORDED_IMPORTS: imports,
    });
    expect(code).toBe(0);
    expect(stdout).toContain('Commands:');
    const loaded = readFileSync(imports, 'utf8').trim().split('\n');
    const packages = loaded.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
    expect([...new Set(packages)]).toEqual(['commander']);
    expect(
      loaded.filter((file) =>
        /\/dist\/(?!cli\b|core\/(?:errors|compile-cache)\.js|core\/process\/early-signals\.js)/.test(file),
      ),
    ).toEqual([]);
  });

  it.each([
    ['help', 'backup', 'prune'],
    ['backup', 'help', 'prune'],
    ['backup', 'prune', '--help'],
  ])('shows the options of a verb: %s %s %s', async (...argv) => {
    const { code, stdout } = await runCli(argv, {});
    expect(code).toBe(0);
    expect(stdout).toContain('Usage: pgkeep backup prune [options]\n');
    expect(stdout).toContain('--dry-run');
  });
});
