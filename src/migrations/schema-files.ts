import { existsSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { nearestPrismaConfig } from './prisma-config.js';

/** Where a configuration names its schema: a text, or the texts of a path.join. */
const SCHEMA =
  /(?<![\w.])schema\s*:\s*(?:path\.)?(?:join\s*\(|resolve\s*\()?\s*((?:['"`][^'"`\n]+['"`]\s*,?\s*)+)/;

/**
 * The application's Prisma schema: the file or directory that its `prisma.config.ts` names, else `schema.prisma`
 * beside the migrations. The configuration is read as a text: evaluating it would run the application's code.
 * @returns the files, absolute; empty where there is none.
 */
export async function findSchemaFiles(migrationsDirectory: string): Promise<string[]> {
  const named = await namedSchema(migrationsDirectory);
  if (named !== undefined) return await filesOf(named);
  const beside = path.join(path.dirname(path.resolve(migrationsDirectory)), 'schema.prisma');
  return existsSync(beside) ? [beside] : [];
}

async function namedSchema(migrationsDirectory: string): Promise<string | undefined> {
  const config = nearestPrismaConfig(migrationsDirectory);
  if (config === undefined) return undefined;
  const text = await readFile(config.file, 'utf8').catch(() => '');
  const list = SCHEMA.exec(text)?.[1];
  if (list === undefined) return undefined;
  const parts = [...list.matchAll(/['"`]([^'"`\n]+)['"`]/g)].map(([, part = '']) => part);
  const schema = path.resolve(config.directory, ...parts);
  return existsSync(schema) ? schema : undefined;
}

async function filesOf(schema: string): Promise<string[]> {
  if ((await stat(schema)).isFile()) return [schema];
  const entries = await readdir(schema, { recursive: true, encoding: 'utf8' });
  const names = entries.filter((name) => name.endsWith('.prisma') && !name.includes('node_modules'));
  return names.toSorted().map((name) => path.join(schema, name));
}
