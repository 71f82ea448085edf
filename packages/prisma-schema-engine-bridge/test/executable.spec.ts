import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Client } from 'pg';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';
import { until } from '../../../test/support/until.js';
import {
  BRIDGE,
  createDatabase,
  finished,
  type Printed,
  PrismaApplication,
  prismaEnvironment,
  query,
  shadowDatabases,
} from '../../../test/migrations/engine-application.js';

const ENGINE_TITLE = 'prisma-schema-engine';

/** Runs the engine as the CLI does: arguments, and requests one per line. */
async function engine(argv: readonly string[], ...requests: readonly object[]): Promise<Printed> {
  const child = spawn(BRIDGE, argv, { env: prismaEnvironment({}) });
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
      .filter(Boolean)
      .map(Number)
      .find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith(ENGINE_TITLE));
  await until(() => running() !== undefined, 30_000, 'the engine runs');
  return running() ?? 0;
}

describe('bin/prisma-schema-engine', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'executable');
    application = new PrismaApplication(url, BRIDGE);
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

  it('creates and drops databases', async () => {
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

  it('answers requests in order, also those for methods that it does not have', async () => {
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

  it('skips the lock where PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK is set', async () => {
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
      await until(isSleeping, 30_000, 'the migration runs');
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
        await until(isSleeping, 30_000, 'the migration runs');
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

    it('drops the shadow database when it is stopped during a replay', async () => {
      const cli = application.start([
        'migrate',
        'diff',
        '--from-migrations',
        'prisma/migrations',
        '--to-empty',
      ]);
      const end = finished(cli);
      await until(isSleeping, 30_000, 'the replay runs');
      expect(await shadowDatabases(own.cluster)).toHaveLength(1);
      process.kill(await engineOf(cli.pid), 'SIGTERM');
      expect(await end).toMatchObject({ output: expect.stringContaining('P3006'), exitCode: 1 });
      await until(async () => (await shadowDatabases(own.cluster)).length === 0);
    });
  });
});
