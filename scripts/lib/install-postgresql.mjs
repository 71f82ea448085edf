import { existsSync, mkdirSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { withPackageLists } from './apt.mjs';

/** Debian's package creates and starts a cluster when it is configured, unless a file here prevents it. */
const dropIn = '/etc/postgresql-common/createcluster.d/pgkeep-set-up.conf';
const dropInText =
  '# Exists only while the set-up of pgkeep installs PostgreSQL.\ncreate_main_cluster = false\n';

/** The directories of a path that do not exist yet, the deepest first. */
function missingAbove(/** @type {string} */ path) {
  const missing = [];
  for (let directory = dirname(path); !existsSync(directory); directory = dirname(directory)) {
    missing.push(directory);
  }
  return missing;
}

/** @param {readonly string[]} directories */
function removeEmpty(directories) {
  for (const directory of directories) {
    try {
      rmdirSync(directory);
    } catch {
      return; // In use: the package has installed its own files here.
    }
  }
}

/**
 * Installs PostgreSQL for all users of the machine: as root. No cluster is created or started, and the machine's own
 * configuration is unchanged afterwards.
 *
 * @param {import('./set-up.mjs').Run} run
 */
export async function installSystemWide(run) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300'];
  await withPackageLists(run, wait, async () => {
    const made = missingAbove(dropIn);
    mkdirSync(dirname(dropIn), { recursive: true });
    try {
      writeFileSync(dropIn, dropInText);
      await run('apt-get', [...wait, '-q', '-y', '--no-install-recommends', 'install', 'postgresql'], {
        env,
      });
    } finally {
      rmSync(dropIn, { force: true });
      removeEmpty(made);
    }
  });
}
