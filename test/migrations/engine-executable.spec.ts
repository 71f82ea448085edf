import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import {
  createDatabase,
  ENGINE,
  finished,
  type Printed,
  PrismaApplication,
  prismaEnvironment,
  query,
  shadowDatabases,
} from './engine-application.js';

const ENGINE_TITLE = 'pgkeep-schema-engine';

/** Runs the engine as the CLI does: arguments, and requests one per line. */
async function engine(argv: readonly string[], ...requests: readonly object[]): Promise<Printed> {
  const child = spawn(ENGINE, argv, { env: prismaEnvironment({}) });
  child.stdin.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(''));
  return await finished(child);
}

/** Empty for a process that has just ended. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** The running engine that a `prisma` command started. */
async function engineOf(cli: number | undefined): Promise<number> {
  const running = (): number | undefined =>
    readFileSync(`/proc/${cli}/task/${cli}/children`, 'utf8')
      .trim()
      .split(' ')
      .map(Number)
      .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(ENGINE_TITLE));
  await until(() => running() !== undefined, 10_000, 'the engine runs');
  return running() ?? 0;
}

describe('scripts/schema-engine', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'executable');
    application = new PrismaApplication(url);
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });

  const isSleeping = async () =>
    (
      await query(
        url,
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active' AND pid <> pg_backend_pid()",
      )
    ).length > 0;

  it('names the release of Prisma it belongs to', async () => {
    const { output, exitCode } = await engine(['--version']);
    const lock: unknown = JSON.parse(
      readFileSync('node_modules/@prisma/engines-version/package.json', 'utf8'),
    );
    expect(lock).toMatchObject({ prisma: { enginesVersion: output.trim().split(' ')[1] } });
    expect(exitCode).toBe(0);
  });

  it('makes and drops databases', async () => {
    const datasource = ['--datasource', JSON.stringify({ url: `${own.cluster.url('made')}?schema=inside` })];
    const created = await engine([...datasource, 'cli', 'create-database']);
    expect(created).toMatchObject({
      output: expect.stringContaining("Database 'made' was successfully created"),
      exitCode: 0,
    });
    expect(
      await query(own.cluster.url('made'), "SELECT 1 FROM pg_namespace WHERE nspname = 'inside'"),
    ).toHaveLength(1);
    expect(await engine([...datasource, 'cli', 'create-database'])).toMatchObject({
      output: expect.stringContaining('"error_code":"P1009"'),
      exitCode: 1,
    });
    expect(await engine([...datasource, 'cli', 'drop-database'])).toMatchObject({ exitCode: 0 });
    expect(await engine([...datasource, 'cli', 'can-connect-to-database'])).toMatchObject({
      output: expect.stringContaining('"error_code":"P1003"'),
      exitCode: 1,
    });
  });

  it('answers requests in order, and methods it does not have', async () => {
    const datasource = { tag: 'ConnectionString', url };
    const { output, exitCode } = await engine(
      ['--datasource', JSON.stringify({ url })],
      { jsonrpc: '2.0', id: 1, method: 'getDatabaseVersion' },
      { jsonrpc: '2.0', id: 2, method: 'toString' },
      { jsonrpc: '2.0', id: 3, method: 'ensureConnectionValidity', params: { datasource } },
    );
    const answers = output.split('\n').filter((line) => line.includes('jsonrpc'));
    expect(answers).toEqual([
      expect.stringMatching(/"id":1,"result":"PostgreSQL /),
      expect.stringMatching(/"id":2,"error":\{"code":-32601/),
      '{"jsonrpc":"2.0","id":3,"result":{}}',
    ]);
    expect(exitCode).toBe(0);
  });

  it('leaves an engine alone that is named already', async () => {
    const other = path.join(application.directory, 'another-engine');
    writeFileSync(other, '#!/bin/sh\necho native-engine 1\n', { mode: 0o755 });
    const { output } = await application.prisma('version', { PRISMA_SCHEMA_ENGINE_BINARY: other });
    expect(output).toMatch(/Schema Engine +: native-engine 1/);
    expect((await application.prisma('version')).output).toMatch(/Schema Engine +: schema-engine-wasm/);
  });

  it('skips the lock where PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK asks for it', async () => {
    const holder = new Client(url);
    await holder.connect();
    await holder.query('SELECT pg_advisory_lock(72707369)');
    const { output } = await application.prisma('migrate deploy', {
      PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK: '1',
    });
    await holder.end();
    expect(output).toContain('No pending migrations to apply.');
  });

  describe('in the middle of a migration', () => {
    beforeAll(() => {
      application.addMigration('1_slow', 'CREATE TABLE half_done (a integer); SELECT pg_sleep(60);');
    });

    it('shows no password on the process list', async () => {
      const cli = application.start(['migrate', 'deploy']);
      const end = finished(cli);
      await until(isSleeping, 10_000, 'the migration runs');
      const shown = readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(commandLineOf);
      expect(shown.filter((line) => line.includes(own.cluster.password))).toEqual([]);
      process.kill(await engineOf(cli.pid), 'SIGTERM');
      await end;
      await query(url, 'DELETE FROM _prisma_migrations');
    });

    it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
      'rolls it back and records it as failed on %s',
      async (signal) => {
        const cli = application.start(['migrate', 'deploy']);
        const end = finished(cli);
        await until(isSleeping, 10_000, 'the migration runs');
        process.kill(await engineOf(cli.pid), signal);
        expect(await end).toMatchObject({
          output: expect.stringContaining('Database error code: 57014'),
          exitCode: 1,
        });
        expect(await query(url, "SELECT to_regclass('half_done') AS half_done")).toEqual([
          { half_done: null },
        ]);
        expect(await query(url, 'SELECT finished_at FROM _prisma_migrations')).toEqual([
          { finished_at: null },
        ]);
        await query(url, 'DELETE FROM _prisma_migrations');
      },
    );

    it('drops the shadow database when it is told to end while it replays', async () => {
      const cli = application.start([
        'migrate',
        'diff',
        '--from-migrations',
        'prisma/migrations',
        '--to-empty',
      ]);
      const end = finished(cli);
      await until(isSleeping, 10_000, 'the replay runs');
      expect(await shadowDatabases(own.cluster)).toHaveLength(1);
      process.kill(await engineOf(cli.pid), 'SIGTERM');
      expect(await end).toMatchObject({ output: expect.stringContaining('P3006'), exitCode: 1 });
      await until(async () => (await shadowDatabases(own.cluster)).length === 0);
    });
  });

  describe('of a clone that is not built', () => {
    const clone = mkdtempSync(path.join(tmpdir(), 'pgkeep-clone-'));
    const location = path.join(clone, 'scripts/schema-engine');
    beforeAll(() => {
      cpSync('scripts', path.join(clone, 'scripts'), { recursive: true });
    });
    afterAll(() => {
      rmSync(clone, { recursive: true, force: true });
    });

    it.each(['migrate status', 'migrate diff --from-empty --to-schema prisma/schema.prisma'])(
      'fails %s with what to do',
      async (command) => {
        const { output, exitCode } = await application.prisma(command, {
          PRISMA_SCHEMA_ENGINE_BINARY: location,
        });
        expect(output).toMatch(/pgkeep is not built \(.*\)\. Run `npm run build`, then try again\./);
        expect(exitCode).toBe(1);
      },
    );

    it('lets prisma generate work', async () => {
      const { exitCode } = await application.prisma('generate', { PRISMA_SCHEMA_ENGINE_BINARY: location });
      expect(exitCode).toBe(0);
    });
  });
});

describe('prisma.config.ts of pgkeep', () => {
  it('keeps pgkeep’s own history in the PostgreSQL schema pgkeep', async () => {
    const own = await startThrowAwayCluster();
    const url = await createDatabase(own.cluster, 'guarded');
    await query(url, 'CREATE TABLE guarded (a integer)');
    const env = prismaEnvironment({ DATABASE_URL: url });
    const prisma = (...argv: string[]) =>
      finished(spawn(process.execPath, ['node_modules/prisma/build/index.js', ...argv], { env }));
    expect(await prisma('migrate', 'deploy')).toMatchObject({ exitCode: 0 });
    expect(await prisma('migrate', 'status')).toMatchObject({
      output: expect.stringContaining('Database schema is up to date!'),
      exitCode: 0,
    });
    const drift = ['--from-config-datasource', '--to-schema', 'prisma/schema.prisma', '--exit-code'];
    expect(await prisma('migrate', 'diff', ...drift)).toMatchObject({ exitCode: 0 });
    expect(
      await query(
        url,
        "SELECT table_schema FROM information_schema.tables WHERE table_name = '_prisma_migrations'",
      ),
    ).toEqual([{ table_schema: 'pgkeep' }]);
    await own.cluster.destroy();
  });
});
