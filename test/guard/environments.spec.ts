import { appendPlan, operator } from '../../src/audit-log/append.js';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPrismaConfig } from '../../src/cli/guarded-prisma.js';
import { freePort } from '../../src/cluster/postmaster.js';
import { readGuardSettings } from '../../src/config/guard-settings.js';
import type { Environment } from '../../src/config/read-settings.js';
import { guard } from '../../src/guard/prisma/guard.js';
import { finished, prismaEnvironment } from '../migrations/engine-application.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { processTree } from '../support/process-tree.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** Calls the guard as `prisma.config.ts` does, in a directory with these files. */
async function ask(
  line: string,
  url: string,
  environment: Environment = {},
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const directory = emptyDirectory();
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(directory, name), text);
  const settings = readGuardSettings(environment, directory, environment);
  const verdict = await guard({
    ...settings,
    argv: line.split(' '),
    url,
    shadowUrl: undefined,
    via: 'a test',
  });
  return verdict.verdict === 'allow' ? 'allowed' : `${verdict.reason}\n${verdict.remedy}`;
}

describe('environments that must stay apart', () => {
  let own: ThrowAwayCluster;
  let production: string;
  let where: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    production = await createClinic(own, 'clinic', { seeded: true });
    where = new URL(production).host;
    await stamp(production, 'production');
  });
  afterAll(async () => await own.cluster.destroy());

  const stamp = async (url: string, environment: string) => {
    expect((await runCli(['install'], { DATABASE_URL: url })).code).toBe(0);
    expect((await runCli(['stamp', environment], { DATABASE_URL: url })).code).toBe(0);
  };
  const users = async (url: string) => (await query(url, 'SELECT count(*)::int AS users FROM users')).rows;

  it('recognises a copy of production by its stamp, until it is stamped again', async () => {
    const copy = await createDatabase(own, 'branch', 'clinic');
    expect(await ask('migrate reset --force', copy)).toBe(
      `Refused to run \`prisma migrate reset\`: database "branch" (${where}) is a copy: it carries the stamp of the production database that it was copied from. Nothing was touched.\n` +
        'If you may change this copy, stamp it for what it is used for: `pgkeep stamp development --replace --target branch`. Then try again.',
    );
    const restamp = ['stamp', 'development', '--replace', '--target', 'branch'];
    expect((await runCli(restamp, { DATABASE_URL: copy })).code).toBe(0);
    expect(await ask('migrate reset --force', copy)).toBe('allowed');
  });

  it('recognises a database that two environments share, stamped or not', async () => {
    const shared = await createDatabase(own, 'shared');
    const reported = (by: string) =>
      `Refused to run \`prisma db push\`: database "shared" (${where}) is production according to ${by}. Nothing was touched.\n` +
      'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.';
    // Another name of the host, another user: the URLs do not show that it is one database.
    const byOtherName = shared.replace('127.0.0.1', 'localhost');
    expect(await ask('db push', shared)).toBe('allowed');
    expect(await ask('db push', shared, { DATABASE_URL_PROD: byOtherName })).toBe(
      reported('DATABASE_URL_PROD'),
    );
    expect(await ask('db push', shared, {}, { '.env.production': `DATABASE_URL="${byOtherName}"\n` })).toBe(
      reported('.env.production'),
    );
    expect(await ask('db push', shared, {}, { '.env.production': `DATABASE_URL="${production}"\n` })).toBe(
      'allowed',
    );
  });

  it('fails closed if the stamp cannot be read and the URL is production’s', async () => {
    const gone = 'postgresql://app:secret-word@127.0.0.1:1/clinic';
    expect(await ask('db push', gone)).toBe('allowed');
    expect(
      await ask('migrate dev', gone, {
        DATABASE_URL_PROD: 'postgresql://owner@127.0.0.1:1/clinic?sslmode=require',
      }),
    ).toBe(
      'Refused to run `prisma migrate dev`: database "clinic" (127.0.0.1:1) is production according to DATABASE_URL_PROD; its stamp cannot be read: connect ECONNREFUSED 127.0.0.1:1. Nothing was touched.\n' +
        'Write the migration on a development database, then apply it here: `pgkeep migrate deploy`.',
    );
    expect(await ask('studio', 'prisma+postgres://accelerate.example/?api_key=secret-word')).toBe(
      'Refused to run `prisma studio`: database "?" (unknown server) may be production: its stamp cannot be read: its URL: it must begin with postgresql:// or postgres://. Nothing was touched.\n' +
        'Make sure that `npx pgkeep ping` reaches the database by this URL, then try again.',
    );
  });

  it('fails closed if the server does not answer in time', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const reported = await ask(
      'migrate reset --force',
      `postgresql://app@127.0.0.1:${port}/clinic?connect_timeout=1`,
    );
    silent.close();
    expect(reported).toBe(
      `Refused to run \`prisma migrate reset\`: database "clinic" (127.0.0.1:${port}) may be production: its stamp cannot be read: timeout expired. Nothing was touched.\n` +
        'Make sure that `npx pgkeep ping` reaches the database by this URL, then try again.',
    );
  });

  it('does not wait long for a production that does not answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const free = await createDatabase(own, 'beside_silence');
    const begin = performance.now();
    const said = await ask('db push', free, {
      DATABASE_URL_PROD: `postgresql://app@127.0.0.1:${port}/clinic`,
    });
    silent.close();
    expect(said).toBe('allowed');
    expect(performance.now() - begin).toBeLessThan(4000);
  });

  it('refuses a script that it cannot read', async () => {
    const why = async (file: string) =>
      /, and (.*)\. Nothing/.exec(await ask(`db execute --file ${file}`, production))?.[1];
    expect(await why('/dev/null')).toBe('the script is not a regular file');
    expect(await why('/nowhere/x.sql')).toBe('the script cannot be read (ENOENT)');
  });

  it('reports a .env.production that cannot be read', async () => {
    const directory = emptyDirectory();
    mkdirSync(path.join(directory, '.env.production'));
    const settings = { DATABASE_URL: production };
    expect(await runCli(['prisma', 'db', 'seed'], settings, { cwd: directory })).toEqual({
      code: 78,
      stdout: '',
      stderr: `Cannot read ${path.join(directory, '.env.production')}.\nMake it readable for this user, or remove it.\n`,
    });
  });

  it('fails closed if the role may not read the stamp', async () => {
    await query(
      production,
      `CREATE ROLE stranger LOGIN PASSWORD 'x'; REVOKE ALL ON pgkeep.database_environment FROM PUBLIC`,
    );
    const stranger = Object.assign(new URL(production), { username: 'stranger', password: 'x' }).href;
    expect(await ask('migrate reset --force', stranger)).toBe(
      `Refused to run \`prisma migrate reset\`: database "clinic" (${where}) may be production: role "stranger" cannot read its stamp. Nothing was touched.\n` +
        'Grant the role access: GRANT USAGE ON SCHEMA pgkeep TO "stranger"; GRANT SELECT ON pgkeep.database_environment TO "stranger";',
    );
  });

  it('refuses a test suite on every database but test databases', async () => {
    const staging = await createDatabase(own, 'staging');
    await stamp(staging, 'staging');
    expect(await ask('migrate deploy', staging, { NODE_ENV: 'test' })).toBe(
      `Refused to run \`prisma migrate deploy\`: database "staging" (${where}) is stamped staging, and NODE_ENV is test. Nothing was touched.\nUse a separate database for the test suite.`,
    );
    expect(await ask('migrate deploy', staging)).toBe('allowed');
    const suite = async (url: string) =>
      await finished(
        spawn(
          process.execPath,
          [
            '-e',
            `import(${JSON.stringify(path.resolve('dist/prisma.js'))}).then((m) => m.guardTests(process.env.DATABASE_URL)).then(() => console.log('tests run'))`,
          ],
          {
            env: prismaEnvironment({ DATABASE_URL: url, NODE_ENV: undefined }),
            cwd: emptyDirectory(),
          },
        ),
      );
    expect(await suite(staging)).toEqual({
      output: `Refused to run the tests: database "staging" (${where}) is stamped staging. Nothing was touched.\nUse a separate database for the tests, and stamp it: \`pgkeep stamp test\`.\n`,
      exitCode: 3,
    });
    expect(await suite(await createDatabase(own, 'for_tests'))).toEqual({
      output: 'tests run\n',
      exitCode: 0,
    });
  });

  it('checks both databases if only the configuration’s is certain', async () => {
    const development = await createDatabase(own, 'development');
    expect(await ask(`db seed --url ${development}`, production)).toContain('database "clinic"');
    expect(await ask(`wipe --url ${production}`, development)).toContain('database "clinic"');
    expect(await ask(`db push --url ${development}`, production)).toBe('allowed');
  });

  describe('an override', () => {
    const phrase = 'I MEAN IT: db seed on clinic';
    const overrides = async () =>
      (
        await query(
          production,
          "SELECT subject, details, actor FROM pgkeep.change_log WHERE action = 'guard-override'",
        )
      ).rows;

    it('that names another command or database has no effect', async () => {
      for (const PGKEEP_GUARD_OVERRIDE of [
        'yes',
        'true',
        'I MEAN IT: db push on clinic',
        'I MEAN IT: db seed on shop',
        phrase.toLowerCase(),
      ]) {
        expect(await ask('db seed', production, { PGKEEP_GUARD_OVERRIDE })).toBe(
          `Refused to run \`prisma db seed\`: database "clinic" (${where}) is stamped production (NODE_ENV is development). Nothing was touched.\n` +
            'Seed only development and test databases. Add rows that production needs with a migration: `pgkeep migrate deploy`.\n' +
            'PGKEEP_GUARD_OVERRIDE names another command or database.',
        );
      }
      expect(await overrides()).toEqual([]);
    });

    it('that is set in a file has no effect', async () => {
      const environment = { PGKEEP_GUARD_OVERRIDE: phrase };
      expect(readGuardSettings(environment, emptyDirectory(), {}).override).toBe(undefined);
    });

    it('that cannot be recorded has no effect', async () => {
      await query(production, `GRANT SELECT ON pgkeep.database_environment TO stranger`);
      const stranger = Object.assign(new URL(production), { username: 'stranger', password: 'x' }).href;
      expect(await ask('db seed', stranger, { PGKEEP_GUARD_OVERRIDE: phrase })).toMatch(
        /\nPGKEEP_GUARD_OVERRIDE was ignored because it cannot be recorded: Cannot override the guard: role "stranger" lacks INSERT on pgkeep\.change_log, which must record every action\.$/,
      );
      expect(await overrides()).toEqual([]);
    });

    it('is recorded, and allows one run', async () => {
      expect(await ask('db seed', production, { PGKEEP_GUARD_OVERRIDE: phrase })).toBe('allowed');
      expect(await overrides()).toEqual([
        {
          subject: 'clinic',
          actor: expect.stringContaining('@'),
          details: {
            command: 'db seed',
            via: 'a test',
            environment: 'development',
            refused: `Refused to run \`prisma db seed\`: database "clinic" (${where}) is stamped production (NODE_ENV is development). Nothing was touched.`,
          },
        },
      ]);
      expect((await runCli(['changelog', '--verify'], { DATABASE_URL: production })).code).toBe(0);
    });

    it('that an older pgkeep recorded in the parent process is not recorded again', async () => {
      const details = { command: 'db seed', door: 'pgkeep prisma', pid: process.ppid };
      const entry = { action: 'guard-override', subject: 'clinic', details, actor: operator() } as const;
      const { sql, values } = appendPlan(entry);
      const before = (await overrides()).length;
      await query(production, sql, [...values]);
      expect(await ask('db seed', production, { PGKEEP_GUARD_OVERRIDE: phrase })).toBe('allowed');
      expect(await overrides()).toHaveLength(before + 1);
    });
  });

  it('is exported as pgkeep/prisma', async () => {
    const script =
      "import { guardedConfig, guardTests } from 'pgkeep/prisma'; console.log(typeof guardedConfig, typeof guardTests)";
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: path.resolve('.') });
    expect(await finished(child)).toEqual({ output: 'function function\n', exitCode: 0 });
  });

  it('finds the configuration of the application', () => {
    const directory = emptyDirectory();
    const migrations = path.join(directory, 'app', 'prisma', 'migrations');
    mkdirSync(migrations, { recursive: true });
    expect(findPrismaConfig(migrations, directory)).toBe(undefined);
    const file = path.join(directory, 'app', 'prisma.config.mjs');
    writeFileSync(file, '');
    expect(findPrismaConfig(migrations, directory)).toBe(file);
    expect(findPrismaConfig(migrations, path.join(directory, 'app'))).toBe(undefined);
  });

  describe('`pgkeep prisma`', () => {
    it('refuses with exit code 3', async () => {
      const before = await users(production);
      const reported = {
        code: 'GUARD_REFUSED',
        message: `Refused to run \`prisma migrate reset\`: database "clinic" (${where}) is stamped production (NODE_ENV is development). Nothing was touched.`,
        hint: 'Production is never reset. To go back to an earlier state, restore a backup: `pgkeep restore --list`.',
      };
      for (const argv of [
        ['prisma', 'migrate', 'reset', '--force'],
        ['prisma', '--', 'migrate', 'reset', '--force'],
      ]) {
        // oxlint-disable-next-line no-await-in-loop -- a few processes, one after the other
        expect(await runCli(argv, { DATABASE_URL: production })).toEqual({
          code: 3,
          stdout: '',
          stderr: `${reported.message}\n${reported.hint}\n`,
        });
      }
      const json = await runCli(['prisma', '--json', 'migrate', 'reset'], { DATABASE_URL: production });
      expect([json.code, JSON.parse(json.stdout)]).toEqual([3, { error: reported }]);
      expect(await users(production)).toEqual(before);
    });

    it('checks the database that the configuration names', async () => {
      const directory = emptyDirectory();
      writeFileSync(
        path.join(directory, 'prisma.config.mjs'),
        'export default { datasource: { url: process.env.OTHER_URL } };',
      );
      const free = await createDatabase(own, 'not_asked_about');
      const settings = { DATABASE_URL: free, OTHER_URL: production };
      expect(await runCli(['prisma', 'db', 'push'], settings, { cwd: directory })).toEqual({
        code: 3,
        stdout: '',
        stderr:
          `Refused to run \`prisma db push\`: database "clinic" (${where}) is stamped production (NODE_ENV is development). Nothing was touched.\n` +
          'Write a migration on a development database (`npx prisma migrate dev`), then apply it here: `pgkeep migrate deploy`.\n',
      });
    });

    it('ends Prisma when it is ended', async () => {
      const free = await createDatabase(own, 'looked_at');
      const environment = {
        DATABASE_URL: free,
        MIGRATIONS_DIR: path.resolve('examples/clinic/prisma/migrations'),
        CHECKPOINT_DISABLE: '1',
      };
      const argv = ['prisma', 'studio', '--port', String(await freePort()), '--browser', 'none'];
      const studio = new PgkeepProcess('cli', argv, environment, { cwd: path.resolve('.') });
      await until(() => studio.stdout.includes('Prisma Studio is running'), 20_000, 'Studio');
      const tree = processTree(studio.pid);
      expect(tree.length).toBeGreaterThan(1);
      studio.signal('SIGTERM');
      expect(await studio.end()).toEqual({ code: 0, signal: null });
      expect(tree.filter((pid) => existsSync(`/proc/${pid}/cmdline`))).toEqual([]);
    });

    it('runs Prisma with its output and its exit code, and the configuration above MIGRATIONS_DIR', async () => {
      const settings = {
        DATABASE_URL: production,
        MIGRATIONS_DIR: path.resolve('examples/clinic/prisma/migrations'),
        CHECKPOINT_DISABLE: '1',
        HOME: emptyDirectory(),
      };
      const status = await runCli(['prisma', 'migrate', 'status'], settings, { cwd: path.resolve('.') });
      expect(status.stdout).toContain('Database schema is up to date!');
      expect(status.code).toBe(0);
      const wrong = await runCli(['prisma', 'migrate', 'status', '--nonsense'], settings, {
        cwd: path.resolve('.'),
      });
      expect(wrong.code).toBe(1);
    });
  });
});
