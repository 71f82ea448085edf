import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PgkeepError } from '../../core/errors.js';

/**
 * Finds Prisma's package: the application's own, otherwise pgkeep's.
 * @returns its package.json.
 * @throws PgkeepError `PRISMA_MISSING`.
 */
function findPrisma(workingDirectory: string): string {
  for (const from of [path.join(workingDirectory, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('prisma/package.json');
    } catch {
      // Not here: try the next place.
    }
  }
  throw new PgkeepError(
    'PRISMA_MISSING',
    `Cannot run Prisma: neither ${workingDirectory} nor pgkeep has the package prisma.`,
    {
      hint: 'Run it where the application’s dependencies are installed, or install it: `npm install --save-dev prisma`.',
    },
  );
}

/** Finds Prisma's command line. @throws PgkeepError `PRISMA_MISSING`. */
export function findPrismaCli(workingDirectory: string): string {
  return path.join(path.dirname(findPrisma(workingDirectory)), 'build', 'index.js');
}

/** What loads a configuration. */
export interface PrismaConfigLoader {
  /** The module with which the application's own Prisma loads its configuration. */
  readonly module: string;
  /** The `node_modules` of Prisma, where a configuration's `prisma/config` is found too. */
  readonly modules: string;
}

/** @throws PgkeepError `PRISMA_MISSING`. */
export function findPrismaConfigLoader(workingDirectory: string): PrismaConfigLoader {
  const prisma = findPrisma(workingDirectory);
  try {
    const module = createRequire(prisma).resolve('@prisma/config');
    return { module, modules: path.dirname(path.dirname(prisma)) };
  } catch (cause) {
    throw new PgkeepError(
      'PRISMA_MISSING',
      `Cannot load a Prisma configuration: ${path.dirname(prisma)} has no package @prisma/config.`,
      { hint: 'Install Prisma 6.12 or later: `npm install --save-dev prisma`.', cause },
    );
  }
}

/** Where Prisma looks for a configuration, in its order (`findPrismaConfigFile` of `@prisma/config` 7.10). */
const EXTENSIONS = ['.js', '.ts', '.mjs', '.cjs', '.mts', '.cts'];

const NAMES = [
  ...['prisma7.config', '.config/prisma7'].map((name) => [name]),
  ...['prisma.config', '.config/prisma', '.config/prisma.config'].map((name) => [name, `${name}/index`]),
];

const CANDIDATES = NAMES.flatMap((names) =>
  names.flatMap((name) => EXTENSIONS.map((extension) => name + extension)),
);

/** Marks the top directory of a project: a configuration above it belongs to something else. */
const TOPS = ['package.json', '.git'];

/** A Prisma configuration. */
interface PrismaConfigFile {
  readonly file: string;
  /** The application's directory, where Prisma is started. */
  readonly directory: string;
}

/** Returns the configuration that Prisma uses when it is started in a directory. */
export function prismaConfigIn(directory: string): PrismaConfigFile | undefined {
  const files = CANDIDATES.map((name) => path.resolve(directory, name));
  const file = files.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile() === true);
  return file === undefined ? undefined : { file, directory: path.resolve(directory) };
}

/**
 * Returns the configuration of the application that a migrations directory belongs to: the nearest above it, no higher
 * than the top of the project or the working directory. A configuration is code; another project's must not run.
 */
export function nearestPrismaConfig(
  migrationsDirectory: string,
  workingDirectory: string,
): PrismaConfigFile | undefined {
  const last = path.resolve(workingDirectory);
  for (let directory = path.resolve(migrationsDirectory); ; directory = path.dirname(directory)) {
    const found = prismaConfigIn(directory);
    if (found) return found;
    const isTop = TOPS.some((name) => existsSync(path.join(directory, name)));
    if (isTop || directory === last || directory === path.dirname(directory)) return undefined;
  }
}
