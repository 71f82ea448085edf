// A separate process that owns a cluster, for the test that kills it. Runs the built program (dist/).
import { mkdtempSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Cluster } from '../../dist/cluster/cluster.js';
import { findPostgresBinaries } from '../../dist/cluster/postgres-binaries.js';

const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-test-'));
chmodSync(directory, 0o711);
const cluster = await Cluster.start({
  directory: path.join(directory, 'cluster'),
  binaries: findPostgresBinaries(path.resolve('.pgkeep'), process.env.PATH ?? ''),
});
process.stdout.write(`${cluster.postmasterPid}\n`);
setInterval(() => {}, 1000);
