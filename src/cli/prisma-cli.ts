import { createRequire } from 'node:module';
import path from 'node:path';
import { KeepError } from '../errors.js';
import { nearestPrismaConfig } from '../migrations/prisma-config.js';

/**
 * The configuration of the application whose migrations these are: the nearest above them. Undefined where it is the
 * working directory's, which Prisma finds by itself, or where there is none.
 */
export function findPrismaConfig(migrationsDirectory: string, workingDirectory: string): string | undefined {
  const config = nearestPrismaConfig(migrationsDirectory);
  return config?.directory === path.resolve(workingDirectory) ? undefined : config?.file;
}

/**
 * Prisma's command line, the application's own before pgkeep's.
 * @throws KeepError `PRISMA_MISSING`.
 */
export function findPrismaCli(workingDirectory: string): string {
  for (const from of [path.join(workingDirectory, 'package.json'), import.meta.url]) {
    try {
      return path.join(path.dirname(createRequire(from).resolve('prisma/package.json')), 'build', 'index.js');
    } catch {
      // Looked for at the next place.
    }
  }
  throw new KeepError(
    'PRISMA_MISSING',
    `Cannot run Prisma: neither ${workingDirectory} nor pgkeep has the package prisma.`,
    {
      hint: 'Run it where the application’s dependencies are installed, or install it: `npm install --save-dev prisma`.',
    },
  );
}
