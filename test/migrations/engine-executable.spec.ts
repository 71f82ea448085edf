import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import {
  createDatabase,
  finished,
  PrismaApplication,
  prismaEnvironment,
  query,
} from './engine-application.js';

/** The command line of a process; empty for one that has just ended. */
function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

/** What this executable adds to that of packages/prisma-schema-engine-bridge, which has its own tests. */
describe('bin/schema-engine', () => {
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

  it('reaches the database as pgkeep does: by the host of a list that answers', async () => {
    const hosts = url.replace('@', '@127.0.0.1:9,');
    const { output, exitCode } = await application.prisma('migrate deploy', { DATABASE_URL: hosts });
    expect(output).toContain('No migration found in prisma/migrations');
    expect(exitCode).toBe(0);
    const wrong = await application.prisma('migrate status', { DATABASE_URL: `${url}?sslmode=sometimes` });
    expect(wrong.output).toContain(
      'P1013: The provided database string is invalid: its sslmode is not one of disable, allow, prefer, require, verify-ca, verify-full',
    );
    expect(wrong.exitCode).toBe(1);
  });

  it('shows no password on the process list', async () => {
    application.addMigration('1_slow', 'SELECT pg_sleep(60);');
    const cli = application.start(['migrate', 'deploy']);
    const end = finished(cli);
    const sleeping =
      "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = 'active'";
    await until(async () => (await query(url, `${sleeping} AND pid <> pg_backend_pid()`)).length > 0);
    const shown = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(commandLineOf);
    expect(shown.filter((line) => line.startsWith('pgkeep-schema-engine')).length).toBeGreaterThan(0);
    expect(shown.filter((line) => line.includes(own.cluster.password))).toEqual([]);
    await query(url, `SELECT pg_cancel_backend(pid) FROM (${sleeping} AND pid <> pg_backend_pid()) sleeping`);
    expect(await end).toMatchObject({ exitCode: 1 });
    rmSync(path.join(application.migrations, '1_slow'), { recursive: true });
    await query(url, 'DELETE FROM _prisma_migrations');
  });

  it('does not replace an engine that PRISMA_SCHEMA_ENGINE_BINARY names', async () => {
    const other = path.join(application.directory, 'another-engine');
    writeFileSync(other, '#!/bin/sh\necho native-engine 1\n', { mode: 0o755 });
    const { output } = await application.prisma('version', { PRISMA_SCHEMA_ENGINE_BINARY: other });
    expect(output).toMatch(/Schema Engine +: native-engine 1/);
    expect((await application.prisma('version')).output).toMatch(/Schema Engine +: schema-engine-wasm/);
  });

  describe('of a clone that is not built', () => {
    const clone = mkdtempSync(path.join(tmpdir(), 'pgkeep-clone-'));
    const location = path.join(clone, 'bin/schema-engine');
    beforeAll(() => {
      cpSync('bin', path.join(clone, 'bin'), { recursive: true });
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

    it('does not prevent prisma generate', async () => {
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
