import { chmodSync, chownSync, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Cluster } from '../../src/cluster/cluster.js';
import { unprivilegedUser } from '../../src/cluster/data-directory.js';
import { run } from '../../src/core/process/run.js';
import type { ThrowAwayCluster } from './throw-away-cluster.js';

/** A primary's `hba`: passwords, for replication as well. */
export const REPLICATION_HBA = [
  'host all all 127.0.0.1/32 scram-sha-256',
  'host replication all 127.0.0.1/32 scram-sha-256',
];

/** A streaming standby of a running primary (started with {@link REPLICATION_HBA}), caught up and answering. */
export async function startStandby({ cluster: primary, clusterOptions }: ThrowAwayCluster): Promise<Cluster> {
  const parent = mkdtempSync(path.join(tmpdir(), 'pgkeep-standby-'));
  chmodSync(parent, 0o711);
  const directory = path.join(parent, 'cluster');
  mkdirSync(directory, { mode: 0o700 });
  const user = unprivilegedUser();
  const own = (file: string): void => {
    if (user) chownSync(file, user.uid, user.gid);
  };
  own(directory);
  const { bin, libraryPath } = clusterOptions.binaries;
  const copied = await run(
    path.join(bin, 'pg_basebackup'),
    ['-h', primary.host, '-p', String(primary.port), '-U', primary.superuser]
      .concat(['-D', path.join(directory, 'data')])
      .concat(['--checkpoint=fast', '--write-recovery-conf', '--no-sync', '--wal-method=stream']),
    { env: { PGPASSWORD: primary.password, LD_LIBRARY_PATH: libraryPath }, cwd: directory, ...user },
  );
  if (copied.exitCode !== 0) throw new Error(`pg_basebackup: ${copied.stderrTail}`);
  return await Cluster.start({ ...clusterOptions, directory });
}
