import path from 'node:path';
import { nearestPrismaConfig } from '../migrations/prisma-config/find-prisma-config.js';

/**
 * The configuration of the application whose migrations these are: the nearest above them. Undefined where it is the
 * working directory's, which Prisma finds by itself, or where there is none.
 */
export function findPrismaConfig(migrationsDirectory: string, workingDirectory: string): string | undefined {
  const config = nearestPrismaConfig(migrationsDirectory, workingDirectory);
  return config?.directory === path.resolve(workingDirectory) ? undefined : config?.file;
}
