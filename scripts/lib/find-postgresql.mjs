import { accessSync, constants, existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, sep } from 'node:path';
import { root } from './project.mjs';

/** The server and the tools that pgkeep runs. */
export const programs = ['initdb', 'postgres', 'pg_ctl', 'psql', 'pg_dump'];

/** The directory where the set-up of an ordinary user unpacks PostgreSQL, and the file that records it. */
export const ownTree = join(root, '.pgkeep', 'postgresql');
export const ownLocation = join(ownTree, 'location.json');

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} name */
export function onPath(name) {
  const directories = (process.env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories.map((directory) => join(directory, name)).find(isExecutable);
}

/** @param {string} directory */
const versionOf = (directory) => Number(/\d+/.exec(directory)?.[0] ?? 0);

/**
 * The `bin` directories of `<parent>/<version>` (or `<parent>/postgresql@<version>`), newest version first.
 *
 * @param {string} parent
 * @param {RegExp} name
 */
function versionsIn(parent, name) {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((entry) => name.test(entry))
    .toSorted((a, b) => versionOf(b) - versionOf(a))
    .map((entry) => join(parent, entry, 'bin'));
}

/** The resolved directory of the programs on the PATH. */
function fromPath() {
  const postgres = onPath('postgres');
  return postgres === undefined ? [] : [dirname(realpathSync(postgres)), dirname(postgres)];
}

/** If the clone was moved, the file still names the old directory, which must not be used. */
function fromOwnTree() {
  if (!existsSync(ownLocation)) return [];
  const { bin } = JSON.parse(readFileSync(ownLocation, 'utf8'));
  return bin.startsWith(ownTree + sep) ? [bin] : [];
}

/** The same directories as in src/cluster/postgres-binaries.ts, in the same order; the first with all programs wins. */
const places = [
  () => versionsIn('/usr/lib/postgresql', /^\d+$/),
  () => versionsIn('/opt/homebrew/opt', /^postgresql(@\d+)?$/),
  () => versionsIn('/usr/local/opt', /^postgresql(@\d+)?$/),
  fromPath,
  fromOwnTree,
];

/** The directory that contains all of PostgreSQL's programs. */
export function findPostgresql() {
  for (const place of places) {
    const found = place().find((bin) => programs.every((program) => isExecutable(join(bin, program))));
    if (found !== undefined) return found;
  }
  return undefined;
}
