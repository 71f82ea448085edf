import { createRequire } from 'node:module';
import path from 'node:path';
import { PgkeepError } from '../../core/errors.js';

/**
 * Prisma's package, the application's own before pgkeep's.
 * @returns its package.json.
 * @throws PgkeepError `PRISMA_MISSING`.
 */
function findPrisma(workingDirectory: string): string {
  for (const from of [path.join(workingDirectory, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve('prisma/package.json');
    } catch {
      // Looked for at the next place.
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

/** Prisma's command line. @throws PgkeepError `PRISMA_MISSING`. */
export function findPrismaCli(workingDirectory: string): string {
  return path.join(path.dirname(findPrisma(workingDirectory)), 'build', 'index.js');
}

/** What loads a configuration. */
export interface PrismaConfigLoader {
  /** The module by which the application's very Prisma loads its configuration. */
  readonly module: string;
  /** The `node_modules` that Prisma is in, where a configuration's `prisma/config` is found as well. */
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
