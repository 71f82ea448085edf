import { cpSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findPostgresql, ownLocation, ownTree, programs } from './find-postgresql.mjs';
import { unpackPackages } from './own-apt.mjs';

/**
 * The packages that the system lacks, of those that `apt-get --simulate install` lists: never a second libc.
 *
 * @param {string} simulation
 * @param {RegExp} wanted their names
 * @returns {{name: string, pinned: string}[]} `pinned` is `name=version`
 */
export function missingPackages(simulation, wanted) {
  return [...simulation.matchAll(/^Inst (\S+) (?:\[[^\]]*\] )?\((\S+) /gm)]
    .filter(([, name = '']) => wanted.test(name) && !/^libc6|^libc-(bin|dev|l10n)|^libperl|-perl$/.test(name))
    .map(([, name = '', version]) => ({ name, pinned: `${name}=${version}` }));
}

/**
 * The packages that the programs need: the server, the client and libraries, without Debian's wrapper scripts.
 *
 * @param {string} simulation
 * @returns {string[]} as `name=version`
 */
export function neededPackages(simulation) {
  const listed = missingPackages(simulation, /^(postgresql-(client-)?\d+|lib.+)$/);
  const needed = listed.map(({ pinned }) => pinned);
  const server = listed
    .map(({ name }) => /^postgresql-(\d+)$/.exec(name)?.[1])
    .find((major) => major !== undefined);
  const client = `postgresql-client-${server}`;
  // The client must be beside the server even if the system has one.
  return server === undefined || needed.some((name) => name.startsWith(`${client}=`))
    ? needed
    : [...needed, client];
}

/** @param {string} directory */
const entriesOf = (directory) => (existsSync(directory) ? readdirSync(directory) : []);

/**
 * Records what the service reads: the programs' directory and the LD_LIBRARY_PATH that they need.
 *
 * @param {string} tree
 */
function locationIn(tree) {
  const [version = ''] = entriesOf(join(tree, 'usr/lib/postgresql'));
  const multiarch = entriesOf(join(tree, 'usr/lib')).find((name) => name.includes('-linux-gnu')) ?? '';
  return {
    bin: join(tree, 'usr/lib/postgresql', version, 'bin'),
    libraryPath: join(tree, 'usr/lib', multiarch),
  };
}

/** Written as the last step: only a complete tree has this file. */
const writeLocation = () => writeFileSync(ownLocation, `${JSON.stringify(locationIn(ownTree), null, 2)}\n`);

/**
 * Unpacks PostgreSQL below .pgkeep/postgresql as an ordinary user, without installing it. It works in any directory;
 * its libraries need LD_LIBRARY_PATH.
 *
 * @param {import('./set-up.mjs').Run} run
 */
export async function unpackIntoClone(run) {
  if (existsSync(ownLocation)) {
    writeLocation(); // If only the clone was moved, this is enough.
    if (findPostgresql() !== undefined) return;
  }

  const fresh = `${ownTree}.new`;
  rmSync(fresh, { recursive: true, force: true });
  await unpackPackages(run, fresh, async (simulate) => neededPackages(await simulate('postgresql')));

  // Debian 12 still ships some libraries below /lib, which on its systems is a link to /usr/lib.
  if (existsSync(join(fresh, 'lib'))) {
    cpSync(join(fresh, 'lib'), join(fresh, 'usr/lib'), { recursive: true, verbatimSymlinks: true });
    rmSync(join(fresh, 'lib'), { recursive: true });
  }

  const { bin, libraryPath } = locationIn(fresh);
  const env = { ...process.env, LD_LIBRARY_PATH: libraryPath };
  for (const program of programs) await run(join(bin, program), ['--version'], { env });

  rmSync(ownTree, { recursive: true, force: true });
  renameSync(fresh, ownTree);
  writeLocation();
}
