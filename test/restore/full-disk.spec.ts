import { mkdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BackupReport } from '../../src/backup/backup.types.js';
import { run } from '../../src/core/process/run.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const env = { PATH: process.env['PATH'] };

// Mounting needs root; the container and CI run as root.
const onRoot = process.getuid?.() === 0 ? describe : describe.skip;
onRoot('a restore onto a disk that is too small for two of the database', () => {
  let own: ThrowAwayCluster;
  let base: string;
  let environment: Record<string, string>;
  let backup: BackupReport;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const large = await createDatabase(own, 'large');
    await query(
      large,
      `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 400000) i;
       CREATE INDEX ON t (v)`,
    );
    environment = { DATABASE_URL: large, BACKUP_DIR: backupDirectory() };
    backup = await withBackups({ ...environment, NODE_ENV: 'development' }, (backups) => backups.create());
    // Only the tables: a server that cannot write its WAL stops, which is not tested here.
    base = path.join(own.clusterOptions.directory, 'data', 'base');
    await own.cluster.stop();
    const { uid, gid } = statSync(base);
    renameSync(base, `${base}.before`);
    mkdirSync(base);
    const mount = `size=170m,mode=700,uid=${uid},gid=${gid}`;
    await run('mount', ['-t', 'tmpfs', '-o', mount, 'tmpfs', base], { env });
    await run('cp', ['-a', `${base}.before/.`, base], { env });
    await own.cluster.startServer();
  });
  afterAll(async () => {
    await own.cluster.stop();
    await run('umount', [base], { env });
    await own.cluster.destroy();
  });

  it('is refused before anything is done, and so is the plan', async () => {
    for (const argv of [
      ['restore', backup.name],
      ['restore', backup.name, '--plan'],
    ]) {
      const refused = await runCli(argv, environment);
      expect(refused).toEqual({
        code: 3,
        stdout: '',
        stderr: expect.stringMatching(
          /^Refused to restore: the database needs about \d+\.\d MB, and the disk of \/\S+\/data\/base has \d+\.\d MB free\. Nothing was changed\.\nFree space there\. If the restored database will be smaller than the one that was backed up, set RESTORE_REQUIRED_FREE_MB to the space that it needs; 0 skips this check\.\n$/,
        ),
      });
    }
  });

  it('without that check: the server’s message, the database is unchanged, nothing is left', async () => {
    const unchecked = { ...environment, RESTORE_REQUIRED_FREE_MB: '0' };
    const restored = await runCli(['restore', backup.name], unchecked);
    expect(restored.stderr).toMatch(
      /^Cannot restore large_\S+: pg_restore ended with exit code 1: .*No space left on device.* Database "large" was not changed\.\nFree space on the disk of the database server, then restore again\.$/m,
    );
    expect(restored).toMatchObject({ code: 1, stdout: '' });
    const { rows } = await query(
      own.cluster.url('large'),
      `SELECT (SELECT count(*) FROM t)::int AS rows, (SELECT array_agg(datname::text ORDER BY datname) FROM pg_database WHERE NOT datistemplate) AS databases`,
    );
    expect(rows).toEqual([{ rows: 400_000, databases: ['large', 'postgres'] }]);
  });
});
