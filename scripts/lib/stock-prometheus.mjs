import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';

const unpacked = join(root, '.pgkeep', 'prometheus');

/**
 * Unpacks Debian's Prometheus if it is missing, for the tests about metrics. It is never installed, not even by root,
 * because the package starts a service; the programs need nothing but libc. pgkeep does not need it.
 */
export async function fetchStockPrometheus() {
  if (onPath('promtool') !== undefined || existsSync(join(unpacked, 'usr/bin/promtool'))) return;
  await unpackPackages(run, unpacked, async () => ['prometheus']);
}
