import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { PgkeepError } from '../core/errors.js';
import { STATE_DIRECTORY } from './embedded-location.js';

/** Where PostgreSQL's server programs are. */
export interface PostgresBinaries {
  /** The directory of initdb and postgres. */
  readonly bin: string;
  /** The `LD_LIBRARY_PATH` that they need, where they were unpacked rather than installed. */
  readonly libraryPath: string | undefined;
}

/**
 * Finds the newest PostgreSQL server programs: Debian's and Homebrew's directories, then `searchPath`
 * (a `PATH`), then the copy that set-up unpacked below `stateDirectory` (`.pgkeep`) for a user who may
 * install nothing.
 * @throws PgkeepError `CLUSTER_BINARIES_MISSING` naming the package to install.
 */
export function findPostgresBinaries(stateDirectory: string, searchPath: string): PostgresBinaries {
  const found = programDirectories(searchPath, stateDirectory).find(({ bin }) => holdsServer(bin));
  if (found) return found;
  throw new PgkeepError(
    'CLUSTER_BINARIES_MISSING',
    'PostgreSQL’s server programs (initdb, postgres) were not found on this machine.',
    {
      hint: 'Set DATABASE_URL to the database to guard. For the embedded database, install the PostgreSQL server; `npm start` in a clone of pgkeep does that.',
    },
  );
}

/** Returns every directory that may hold programs of PostgreSQL, in the order above. */
export function programDirectories(
  searchPath: string,
  stateDirectory: string = path.resolve(STATE_DIRECTORY),
): PostgresBinaries[] {
  const installed = [
    ...versionedDirectories('/usr/lib/postgresql', /^\d+$/),
    ...versionedDirectories('/opt/homebrew/opt', /^(postgresql|libpq)(@\d+)?$/),
    ...versionedDirectories('/usr/local/opt', /^(postgresql|libpq)(@\d+)?$/),
    ...searchPath.split(path.delimiter).filter((directory) => directory !== ''),
  ];
  const unpacked = readLocation(path.join(stateDirectory, 'postgresql', 'location.json'));
  return [...installed.map((bin) => ({ bin, libraryPath: undefined })), ...(unpacked ? [unpacked] : [])];
}

function holdsServer(directory: string): boolean {
  return ['initdb', 'postgres'].every((program) => existsSync(path.join(directory, program)));
}

/** `parent/NAME/bin` for every matching name, the highest version first. */
function versionedDirectories(parent: string, name: RegExp): string[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent)
    .filter((entry) => name.test(entry))
    .toSorted((left, right) => versionOf(right) - versionOf(left))
    .map((entry) => path.join(parent, entry, 'bin'));
}

function versionOf(entry: string): number {
  return Number(/\d+$/.exec(entry)?.[0] ?? 0);
}

function readLocation(file: string): PostgresBinaries | undefined {
  if (!existsSync(file)) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null || !('bin' in parsed) || typeof parsed.bin !== 'string') {
    return undefined;
  }
  const libraryPath =
    'libraryPath' in parsed && typeof parsed.libraryPath === 'string' ? parsed.libraryPath : undefined;
  return { bin: parsed.bin, libraryPath };
}
