import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { withPackageLists } from './apt.mjs';
import { root } from './project.mjs';

const apt = join(root, '.pgkeep', 'apt');
const archives = join(apt, 'archives');

/** Options with which apt-get writes only into the clone's directories, and reads which packages the system has. */
const options = [
  `Dir::State=${join(apt, 'state')}`,
  'Dir::State::status=/var/lib/dpkg/status',
  `Dir::Cache=${join(apt, 'cache')}`,
  'Acquire::Languages=none',
  'APT::Get::Show-User-Simulation-Note=false',
].flatMap((option) => ['-o', option]);

/**
 * Unpacks packages into a directory as an ordinary user, without installing them.
 *
 * @param {import('./set-up.mjs').Run} run
 * @param {string} directory
 * @param {(simulate: (name: string) => Promise<string>) => Promise<readonly string[]>} choose which packages, as
 *   apt-get names them; `simulate` returns what installing one would add
 */
export async function unpackPackages(run, directory, choose) {
  rmSync(apt, { recursive: true, force: true });
  for (const needed of ['state/lists/partial', 'cache/archives/partial', 'archives']) {
    mkdirSync(join(apt, needed), { recursive: true });
  }
  await withPackageLists(run, options, async () => {
    const packages = await choose((name) =>
      run('apt-get', [...options, '-q', '--simulate', '--no-install-recommends', 'install', name]),
    );
    await run('apt-get', [...options, '-q', 'download', ...packages], { cwd: archives });
  });
  mkdirSync(directory, { recursive: true });
  for (const archive of readdirSync(archives)) {
    await run('dpkg-deb', ['-x', join(archives, archive), directory]);
  }
  rmSync(apt, { recursive: true, force: true });
}
