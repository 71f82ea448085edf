import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';

const unpacked = join(root, '.pgkeep', 'prometheus');

/** Debian's packages, and a program of each. */
const PACKAGES = { promtool: 'prometheus', amtool: 'prometheus-alertmanager' };

/**
 * Unpacks Debian's Prometheus and Alertmanager if one is missing, for the tests about metrics and alerts. They are never
 * installed, not even by root, because the packages start services; the programs need nothing but libc. pgkeep does not
 * need them.
 */
export async function fetchStockPrometheus() {
  const missing = Object.keys(PACKAGES).filter(
    (program) => onPath(program) === undefined && !existsSync(join(unpacked, 'usr/bin', program)),
  );
  if (missing.length === 0) return;
  await unpackPackages(run, unpacked, async () => Object.values(PACKAGES));
}
