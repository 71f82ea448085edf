import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupReport } from '../../src/backup/backup.types.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** What each stage of a restore prints when it begins. */
const STAGES = ['backing up', 'restoring', 'comparing', 'swapping'] as const;

describe('a restore that is interrupted', () => {
  let own: ThrowAwayCluster;
  let large: string;
  let environment: Record<string, string>;
  let backup: BackupReport;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    large = await createDatabase(own, 'large');
    await query(
      large,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 400000) i;
       CREATE INDEX ON t (v)`,
    );
    environment = { DATABASE_URL: large, BACKUP_DIR: backupDirectory() };
    backup = await withBackups({ ...environment, NODE_ENV: 'development' }, (backups) => backups.create());
    await query(large, 'CREATE TABLE since_the_backup ()');
  });
  beforeEach(() => query(large, 'SELECT count(*) FROM since_the_backup'));
  afterAll(() => own.cluster.destroy());

  async function databases(like: string): Promise<string[]> {
    const { rows } = await query(
      own.cluster.url('postgres'),
      `SELECT datname FROM pg_database WHERE datname LIKE '${like}' ORDER BY 1`,
    );
    return rows.map(({ datname }) => String(datname));
  }

  async function begun(stage: string): Promise<PgkeepProcess> {
    const restore = new PgkeepProcess('cli', ['restore', backup.name], environment);
    await until(
      () => restore.stderr.includes(`\n${stage}`) || !restore.isRunning,
      30_000,
      `the stage ${stage}`,
    );
    return restore;
  }

  /** Returns whether the database is as it was or swapped with the restored one; fails for any other state. */
  async function expectComplete(): Promise<'untouched' | 'swapped'> {
    const { rows } = await query(
      large,
      `SELECT (SELECT count(*) FROM t)::int AS rows, to_regclass('since_the_backup') IS NOT NULL AS untouched`,
    );
    expect(rows[0]?.rows).toBe(400_000);
    return rows[0]?.untouched === true ? 'untouched' : 'swapped';
  }

  /** Puts the replaced database back, for the next test. */
  async function goBack(): Promise<void> {
    const [replaced] = await databases('large_replaced_%');
    if (replaced === undefined) return;
    await query(own.cluster.url('postgres'), 'DROP DATABASE large WITH (FORCE)');
    await query(own.cluster.url('postgres'), `ALTER DATABASE ${replaced} RENAME TO large`);
  }

  it.each(STAGES)(
    'by kill -9 while %s: the database is complete, and the next restore removes what is left',
    async (stage) => {
      const restore = await begun(stage);
      await restore.kill();
      await until(
        async () => {
          const sessions = await query(
            own.cluster.url('postgres'),
            `SELECT FROM pg_stat_activity WHERE application_name LIKE 'pgkeep%' OR application_name LIKE 'pg_%'`,
          );
          return sessions.rows.length === 0;
        },
        20_000,
        'the end of its sessions',
      );
      // A kill during the swap may come just after its commit.
      expect(stage === 'swapping' ? ['untouched', 'swapped'] : ['untouched']).toContain(
        await expectComplete(),
      );
      await goBack();
      const left = await databases('%_restoring_%');
      const next = await runCli(['restore', backup.name], environment);
      expect(next.code).toBe(0);
      for (const name of left)
        expect(next.stderr).toContain(`dropped "${name}", the leftover of a killed restore\n`);
      expect(await databases('%_restoring_%')).toEqual([]);
      expect(await expectComplete()).toBe('swapped');
      await goBack();
    },
  );

  it.each(STAGES)('by Ctrl-C while %s: ends cleanly, nothing left', async (stage) => {
    const restore = await begun(stage);
    restore.signal('SIGINT');
    expect((await restore.end(30_000)).code).toBe(130);
    expect(await databases('%_restoring_%')).toEqual([]);
    const reported = restore.stderr.includes(
      `Interrupted: did not restore ${backup.name}. Database "large" was not changed.`,
    );
    expect(reported).toBe((await expectComplete()) === 'untouched');
    await goBack();
  });

  it('by a restart of the server: exit 1, and the database is as it was', async () => {
    const restore = await begun('restoring');
    await own.cluster.stop();
    await own.cluster.startServer();
    expect((await restore.end(30_000)).code).toBe(1);
    expect(await expectComplete()).toBe('untouched');
    expect(await runCli(['restore', backup.name], environment)).toMatchObject({ code: 0 });
    expect(await databases('%_restoring_%')).toEqual([]);
    await goBack();
  });
});
