import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { backupDirectory } from '../support/backups.js';
import { clockShiftedBy } from '../support/clock-shifted-by.js';
import { createDatabase, query } from '../support/clinic.js';
import { emptyDirectory, PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { processTree } from '../support/process-tree.js';
import { stockKey } from '../support/stock-age.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('a backup that is killed', () => {
  let own: ThrowAwayCluster;
  let environment: Record<string, string>;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const url = await createDatabase(own, 'large');
    // Takes about a second to compress, so that a test can interrupt it.
    await query(
      url,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 500000) i`,
    );
    environment = { DATABASE_URL: url };
  });
  beforeEach(() => {
    directory = backupDirectory();
    environment['BACKUP_DIR'] = directory;
  });
  afterAll(() => own.cluster.destroy());

  /** Starts a backup, and waits until the archive grows. */
  async function begun(
    more: Record<string, string> = {},
  ): Promise<{ pgkeep: PgkeepProcess; programs: number[] }> {
    const pgkeep = new PgkeepProcess('cli', ['backup'], { ...environment, ...more });
    const isWritten = (name: string): boolean => /\.dump(\.age)?\.part$/.test(name);
    await until(() => files().some(isWritten), 10_000, 'a dump that is written');
    const programs = processTree(pgkeep.pid).filter((pid) => nameOf(pid) === 'pg_dump');
    expect(programs).toHaveLength(1);
    return { pgkeep, programs };
  }

  function files(): string[] {
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  async function listed(): Promise<unknown[]> {
    const { stdout } = await runCli(['backup', 'list', '--json'], environment);
    return JSON.parse(stdout).backups;
  }

  async function expectNoProgram(programs: readonly number[]): Promise<void> {
    await until(() => programs.every((pid) => nameOf(pid) !== 'pg_dump'), 10_000, 'the end of pg_dump');
    await until(
      async () => {
        const { rows } = await query(
          own.cluster.url('postgres'),
          `SELECT FROM pg_stat_activity WHERE datname = 'large'`,
        );
        return rows.length === 0;
      },
      10_000,
      'the end of the connections',
    );
  }

  it('pg_dump by kill -9: exit 1, nothing left', async () => {
    const { pgkeep, programs } = await begun();
    for (const pid of programs) process.kill(pid, 'SIGKILL');
    expect(await pgkeep.end()).toEqual({ code: 1, signal: null });
    expect(pgkeep.stderr).toMatch(/^Cannot back up .*\/large: pg_dump was ended by SIGKILL\n/);
    expect(files()).toEqual([]);
    await expectNoProgram(programs);
  });

  it('pg_restore by kill -9 while it reads the archive before encryption: exit 1 immediately, nothing left', async () => {
    const { recipient } = await stockKey(path.join(emptyDirectory(), 'key.txt'));
    const encrypted = { BACKUP_ENCRYPTION_ENABLED: 'true', BACKUP_ENCRYPTION_KEY: recipient };
    const { pgkeep, programs } = await begun(encrypted);
    const readers = (): number[] => processTree(pgkeep.pid).filter((pid) => nameOf(pid) === 'pg_restore');
    await until(() => readers().length === 1, 10_000, 'pg_restore that reads');
    for (const pid of readers()) process.kill(pid, 'SIGKILL');
    expect(await pgkeep.end()).toEqual({ code: 1, signal: null });
    expect(pgkeep.stderr).toMatch(/^Cannot back up .*\/large: pg_restore was ended by SIGKILL\n/);
    expect(files()).toEqual([]);
    await expectNoProgram(programs);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('pgkeep by %s: exit %i, nothing left', async (signal, code) => {
    const { pgkeep, programs } = await begun();
    pgkeep.signal(signal);
    expect(await pgkeep.end()).toEqual({ code, signal: null });
    expect(pgkeep.stderr).toMatch(/^Interrupted: did not back up .*\/large\. Nothing was left behind\.\n/);
    expect(files()).toEqual([]);
    await expectNoProgram(programs);
  });

  it('by SIGTERM at any moment: nothing incomplete is listed', async () => {
    for (const delay of [0, 150, 300, 450, 600, 900, 1200, 1500]) {
      const pgkeep = new PgkeepProcess('cli', ['backup'], environment);
      await new Promise((resolve) => setTimeout(resolve, delay));
      pgkeep.signal('SIGTERM');
      const { code, signal } = await pgkeep.end();
      // SIGTERM: Node.js itself was still starting. SIGKILL comes from the test, if the process does not end.
      const end = signal ?? code;
      if (end === 1 || end === 'SIGKILL') throw new Error(`a signal after ${delay} ms: ${pgkeep.stderr}`);
      expect([0, 143, 'SIGTERM']).toContain(end);
    }
    expect(files().filter((name) => name.endsWith('.part') || name.includes('unfinished'))).toEqual([]);
    expect(await listed()).toHaveLength(files().length / 2);
  });

  it('pgkeep by kill -9: nothing listed, no program left running; the next run removes the files', async () => {
    const { pgkeep, programs } = await begun();
    await pgkeep.kill();
    await expectNoProgram(programs);
    expect(await listed()).toEqual([]);
    const left = files();
    expect(left).toHaveLength(2);
    const next = await runCli(['backup'], environment);
    expect(next.code).toBe(0);
    expect(next.stdout).toMatch(/^Removed an unfinished backup: large_development_\d{8}_\d{6}\n/);
    expect(files().filter((name) => left.includes(name))).toEqual([]);
    expect(files()).toHaveLength(2);
    expect(await listed()).toHaveLength(1);
  });

  it('pgkeep by kill -9 while it verifies: a complete archive without a manifest is no backup', async () => {
    const pgkeep = new PgkeepProcess('cli', ['backup'], environment);
    await until(() => files().some((name) => /^large.*\.dump$/.test(name)), 15_000, 'an archive');
    await pgkeep.kill();
    if (files().some((name) => name.endsWith('.manifest.json'))) throw new Error('the kill came too late');
    expect(await listed()).toEqual([]);
    expect((await runCli(['backup'], environment)).code).toBe(0);
    expect(await listed()).toHaveLength(1);
    expect(files()).toHaveLength(2);
  });

  it('does not remove files of a run that is still working, or of an unknown one', async () => {
    const foreign = 'large_development_20200101_000000.dump';
    const working = 'large_development_20200101_000001';
    writeFileSync(path.join(directory, foreign), 'copied here by hand');
    writeFileSync(path.join(directory, `${working}.dump`), 'being written');
    const mark = { host: hostname(), pid: process.pid, startedAt: new Date().toISOString() };
    writeFileSync(path.join(directory, `${working}.unfinished.json`), JSON.stringify(mark));
    writeFileSync(
      path.join(directory, 'large_development_20200101_000002.unfinished.json'),
      JSON.stringify({ ...mark, host: 'elsewhere', pid: 1 }),
    );
    // A clock that is days ahead does not make running work look abandoned.
    const ahead = { ...environment, NODE_OPTIONS: clockShiftedBy(3 * 86_400) };
    expect((await runCli(['backup'], ahead)).code).toBe(0);
    expect(files()).toEqual(
      expect.arrayContaining([
        foreign,
        `${working}.dump`,
        `${working}.unfinished.json`,
        'large_development_20200101_000002.unfinished.json',
      ]),
    );
    expect(await listed()).toHaveLength(1);
  });

  it('the server is restarted during the backup: exit 1, nothing left', async () => {
    const { pgkeep, programs } = await begun();
    await own.cluster.stop();
    await own.cluster.startServer();
    const { code } = await pgkeep.end();
    expect(code).toBe(1);
    expect(pgkeep.stderr).toContain('Cannot back up ');
    expect(files()).toEqual([]);
    await expectNoProgram(programs);
  });
});

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    // It has ended.
    return '';
  }
}
