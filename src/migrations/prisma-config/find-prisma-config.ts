import { existsSync, statSync } from 'node:fs';
import path from 'node:path';

/** Where Prisma looks for a configuration, in its order (`findPrismaConfigFile` of `@prisma/config` 7.10). */
const EXTENSIONS = ['.js', '.ts', '.mjs', '.cjs', '.mts', '.cts'];
const NAMES = [
  ...['prisma7.config', '.config/prisma7'].map((name) => [name]),
  ...['prisma.config', '.config/prisma', '.config/prisma.config'].map((name) => [name, `${name}/index`]),
];
const CANDIDATES = NAMES.flatMap((names) =>
  names.flatMap((name) => EXTENSIONS.map((extension) => name + extension)),
);

/** What marks the top of a project: a configuration above it belongs to something else. */
const TOPS = ['package.json', '.git'];

/** A Prisma configuration. */
export interface PrismaConfigFile {
  readonly file: string;
  /** The application's directory, where Prisma is started. */
  readonly directory: string;
}

/** The configuration that Prisma takes when it is started in a directory. */
export function prismaConfigIn(directory: string): PrismaConfigFile | undefined {
  const files = CANDIDATES.map((name) => path.resolve(directory, name));
  const file = files.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile() === true);
  return file === undefined ? undefined : { file, directory: path.resolve(directory) };
}

/**
 * The configuration of the application that a migrations directory belongs to: the nearest above it, no higher than
 * the top of the project or the working directory. A configuration is code, and one of another project must not run.
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
