import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';
import { missingPackages } from './unpack-postgresql.mjs';

const unpacked = join(root, '.pgkeep', 'pgbouncer');

/**
 * Unpacks Debian's PgBouncer where it is missing: the tests hold pgkeep's sessions against it. Never installed, also
 * not by root: the package starts a service. pgkeep needs none.
 */
export async function fetchPgbouncer() {
  const places = ['/usr/sbin/pgbouncer', join(unpacked, 'usr/sbin/pgbouncer')];
  if (onPath('pgbouncer') !== undefined || places.some((place) => existsSync(place))) return;
  await unpackPackages(run, unpacked, async (simulate) =>
    missingPackages(await simulate('pgbouncer'), /^(pgbouncer|lib.+)$/).map(({ pinned }) => pinned),
  );
}
