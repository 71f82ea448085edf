import { existsSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { run, type RunResult } from '../../src/core/process/run.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** `npm run test:heavy` fetches them. */
const NEWER = path.resolve('.pgkeep/newer-client/bin');

/** As in the image, whose programs are those of Debian 13, whatever the server is. */
describe('a machine whose only PostgreSQL programs are newer than the server', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let environment: Record<string, string>;
  const { bin } = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

  beforeAll(async () => {
    if (!existsSync(path.join(NEWER, 'pg_restore')))
      throw new Error(`no PostgreSQL 17 in ${NEWER}: run \`npm run test:heavy\``);
    if (process.getuid?.() !== 0) throw new Error('only root can hide the programs of PostgreSQL 15');
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'orchard');
    await query(
      url,
      `CREATE TABLE trees (id serial PRIMARY KEY, name text NOT NULL);
       INSERT INTO trees (name) SELECT 'tree ' || i FROM generate_series(1, 1000) i;
       CREATE FUNCTION impatient() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
SET transaction_timeout = 0;
       END $$;
       SELECT lo_from_bytea(0, 'a leaf')`,
    );
  });
  afterAll(() => own.cluster.destroy());

  /** Runs pgkeep with `tools` in place of PostgreSQL 15; besides, only `searchPath` is searched. */
  async function pgkeep(tools: string, searchPath: string, ...argv: string[]): Promise<RunResult> {
    const script = 'mount --bind "$1" "$2" && export PATH="$3" && shift 3 && exec "$@"';
    const command = [process.execPath, path.resolve('dist/cli.js'), ...argv];
    return await run('unshare', ['--mount', 'sh', '-c', script, 'sh', tools, bin, searchPath, ...command], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    });
  }

  const pgkeep17 = (...argv: string[]): Promise<RunResult> => pgkeep(NEWER, '/usr/bin:/bin', ...argv);

  const NOTE =
    /^ {2}note: made with pg_dump 17\.\d+ of PostgreSQL 15\.\d+: `pgkeep restore` restores it into PostgreSQL 15, pg_restore 17 alone may stop at a setting that PostgreSQL 15 does not have\. To avoid that, install the programs of the server’s version: apt-get install postgresql-client-15\.$/m;

  it.each(['custom', 'plain'])(
    'a %s backup reports it, passes its restore test, and is restored',
    async (format) => {
      environment = {
        NODE_ENV: 'development',
        DATABASE_URL: url,
        TEST_DATABASE_URL: own.cluster.url('postgres'),
        BACKUP_DIR: backupDirectory(),
        BACKUP_FORMAT: format,
      };
      const backup = await pgkeep17('backup');
      expect(backup).toMatchObject({
        exitCode: 0,
        stdout: expect.stringMatching(NOTE),
        stderrTail: expect.any(String),
      });
      const name = backup.stdout.split(':')[0] ?? '';
      const program = format === 'custom' ? 'pg_restore' : 'psql';
      const leftOut = new RegExp(
        `^ {2}note: left out the setting transaction_timeout, which PostgreSQL 15 does not have \\(restored with ${program} 17\\.\\d+\\)$`,
        'm',
      );
      const tested = await pgkeep17('restore', 'test');
      expect(tested).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(leftOut) });
      await query(url, 'DELETE FROM trees');
      const restored = await pgkeep17('restore', name);
      expect(restored).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(leftOut) });
      const { rows } = await query(
        url,
        `SELECT (SELECT count(*)::int FROM trees) AS trees, (SELECT prosrc FROM pg_proc WHERE proname = 'impatient') AS body`,
      );
      expect(rows).toEqual([
        { trees: 1000, body: expect.stringContaining('\nSET transaction_timeout = 0;\n') },
      ]);
      if (format === 'plain') return;
      const picked = await pgkeep17('restore', name, '--tables', 'trees', '--into', 'picked');
      expect(picked).toMatchObject({ exitCode: 0 });
      expect(
        (await query(own.cluster.url('picked'), 'SELECT count(*)::int AS trees FROM trees')).rows,
      ).toEqual([{ trees: 1000 }]);
    },
  );

  it('without psql a backup reports that this machine cannot restore it', async () => {
    const tools = mkdtempSync(path.join(tmpdir(), 'pgkeep-tools-'));
    for (const program of ['pg_dump', 'pg_restore'])
      symlinkSync(path.join(NEWER, program), path.join(tools, program));
    environment = {
      NODE_ENV: 'development',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
    };
    // Debian's wrapper around psql is in /usr/bin.
    const { exitCode, stdout } = await pgkeep(tools, '/nowhere', 'backup');
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^ {2}note: made with pg_dump 17\.\d+ of PostgreSQL 15\.\d+: this machine cannot restore it into PostgreSQL 15, because psql is not installed\. Install the programs of the server’s version: apt-get install postgresql-client-15\.$/m,
      ),
    ]);
  });
});
