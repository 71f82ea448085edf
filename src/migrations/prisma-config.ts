import { existsSync } from 'node:fs';
import path from 'node:path';

/** Where Prisma looks for a configuration, in its order. */
const NAMES = [
  'prisma7.config',
  '.config/prisma7',
  'prisma.config',
  '.config/prisma',
  '.config/prisma.config',
];
const EXTENSIONS = ['.js', '.ts', '.mjs', '.cjs', '.mts', '.cts'];
const CONFIGURATIONS = NAMES.flatMap((name) => EXTENSIONS.map((extension) => name + extension));

/** A configuration of Prisma's. */
export interface PrismaConfigFile {
  readonly file: string;
  /** The application's directory, where Prisma is started. */
  readonly directory: string;
}

/** The configuration of the application whose migrations these are: the nearest above them. */
export function nearestPrismaConfig(migrationsDirectory: string): PrismaConfigFile | undefined {
  for (let directory = path.resolve(migrationsDirectory); ; directory = path.dirname(directory)) {
    const candidates = CONFIGURATIONS.map((name) => path.join(directory, name));
    const file = candidates.find((candidate) => existsSync(candidate));
    if (file !== undefined) return { file, directory };
    if (directory === path.dirname(directory)) return undefined;
  }
}
