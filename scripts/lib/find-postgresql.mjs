import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { root } from './project.mjs';

/** The server and the tools that pgkeep runs. */
export const programs = ['initdb', 'postgres', 'pg_ctl', 'psql', 'pg_dump'];

/** Where the set-up of an ordinary user unpacks PostgreSQL, and tells that it did. */
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

function fromPgConfig() {
  const pgConfig = onPath('pg_config');
  if (pgConfig === undefined) return [];
  try {
    return [
      execFileSync(pgConfig, ['--bindir'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim(),
    ];
  } catch {
    return [];
  }
}

/** Where the programs on the PATH really are. */
function fromPath() {
  const postgres = onPath('postgres');
  return postgres === undefined ? [] : [dirname(realpathSync(postgres)), dirname(postgres)];
}

function fromOwnTree() {
  if (!existsSync(ownLocation)) return [];
  return [resolve(ownTree, JSON.parse(readFileSync(ownLocation, 'utf8')).bin)];
}

/** In the order in which they are asked. Lazy: no later place is looked at once one has all programs. */
const places = [
  () => versionsIn('/usr/lib/postgresql', /^\d+$/),
  fromPgConfig,
  fromPath,
  () => versionsIn('/opt/homebrew/opt', /^postgresql(@\d+)?$/),
  () => versionsIn('/usr/local/opt', /^postgresql(@\d+)?$/),
  fromOwnTree,
];

/** The directory that holds all of PostgreSQL's programs. */
export function findPostgresql() {
  for (const place of places) {
    const found = place().find((bin) => programs.every((program) => isExecutable(join(bin, program))));
    if (found !== undefined) return found;
  }
  return undefined;
}
