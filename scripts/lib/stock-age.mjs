import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { withPackageLists } from './apt.mjs';
import { onPath } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';
import { root } from './project.mjs';
import { run } from './run.mjs';

const unpacked = join(root, '.pgkeep', 'age');

/** Installs it for all users of the machine, as root. */
async function install() {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  await withPackageLists(run, wait, () =>
    run('apt-get', [...wait, '-q', '-y', '--no-install-recommends', 'install', 'age'], { env }),
  );
}

/** Fetches Debian's `age` if it is missing: the tests compare pgkeep's encryption with it. pgkeep does not need it. */
export async function fetchStockAge() {
  if (onPath('age') !== undefined || existsSync(join(unpacked, 'usr/bin/age'))) return;
  if (process.getuid?.() === 0) await install();
  else await unpackPackages(run, unpacked, async () => ['age']);
}
