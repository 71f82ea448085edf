import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';
import { missingPackages } from './unpack-postgresql.mjs';

const unpacked = join(root, '.pgkeep', 'pgbouncer');

/**
 * Unpacks Debian's PgBouncer if it is missing, for the tests about poolers. It is never installed, not even by root,
 * because the package starts a service. pgkeep does not need it.
 */
export async function fetchPgbouncer() {
  const places = ['/usr/sbin/pgbouncer', join(unpacked, 'usr/sbin/pgbouncer')];
  if (onPath('pgbouncer') !== undefined || places.some((place) => existsSync(place))) return;
  await unpackPackages(run, unpacked, async (simulate) =>
    missingPackages(await simulate('pgbouncer'), /^(pgbouncer|lib.+)$/).map(({ pinned }) => pinned),
  );
}
