import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Settings } from '../../config/settings.js';
import { OWN_MIGRATIONS_DIRECTORY } from '../history/migration-directory.js';
import { nearestPrismaConfig } from './find-prisma.js';

/** The application's Prisma schema, or why it is not known and what to do. */
export type SchemaLocation =
  | { readonly kind: 'found'; readonly files: readonly string[] }
  /** There is no schema where Prisma looks for one. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'unknown'; readonly why: string; readonly hint: string };

/** A schema file and its text. */
export interface SchemaContent {
  readonly path: string;
  readonly content: string;
}

const MODEL = /^\s*(?:model|enum|view|type)\s+\w+\s*\{/m;

/** Finds the schema files: those that the configuration names, else `schema.prisma` beside the migrations. */
export async function findPrismaSchema({ prisma, migrationsDirectory }: Settings): Promise<SchemaLocation> {
  if (migrationsDirectory === OWN_MIGRATIONS_DIRECTORY) {
    return unknown(
      'the working directory is pgkeep’s own',
      'Set MIGRATIONS_DIR to the guarded application’s.',
    );
  }
  if (prisma.kind === 'invalid') return unknown(prisma.why, prisma.hint);
  if (prisma.kind === 'not-evaluated' && nearestPrismaConfig(migrationsDirectory, process.cwd())) {
    return unknown(
      'the Prisma configuration was not evaluated',
      'Run `pgkeep migrate drift`, which does it.',
    );
  }
  const named = prisma.kind === 'configured' ? prisma.configuration.schema : undefined;
  if (prisma.kind === 'configured' && named !== undefined) {
    return await namedSchema(named, prisma.configuration.file);
  }
  return await defaultSchema(path.dirname(migrationsDirectory));
}

/** Reads schema files. @throws what the file system throws. */
export async function readSchemaFiles(files: readonly string[]): Promise<SchemaContent[]> {
  return await Promise.all(
    files.map(async (file) => ({ path: file, content: await readFile(file, 'utf8') })),
  );
}

async function namedSchema(schema: string, configuration: string): Promise<SchemaLocation> {
  const stats = await stat(schema).catch(() => undefined);
  if (stats === undefined) {
    return unknown(
      `${configuration} names the schema ${schema}, which does not exist`,
      'Correct `schema` there: a file, or the directory of the schema files.',
    );
  }
  const files = stats.isFile() ? [schema] : await schemaFilesBelow(schema);
  if (files.length > 0) return { kind: 'found', files };
  return unknown(
    `${configuration} names the schema directory ${schema}, which holds no .prisma file`,
    'Correct `schema` there: a file, or the directory of the schema files.',
  );
}

/** Finds the schema where nothing names it. Files beside it may belong to it; only a configuration says so. */
async function defaultSchema(directory: string): Promise<SchemaLocation> {
  const file = path.join(directory, 'schema.prisma');
  const hint = 'Name it in prisma.config.ts: `schema`, a file or the directory of the schema files.';
  if (namesSchema(path.join(path.dirname(directory), 'package.json'))) {
    return unknown('package.json names the schema (prisma.schema), where Prisma 7 does not look', hint);
  }
  if (!existsSync(file)) return { kind: 'absent' };
  const others = (await schemaFilesBelow(directory)).filter(
    (other) => other !== file && MODEL.test(readFileSync(other, 'utf8')),
  );
  const [first] = others;
  if (first === undefined) return { kind: 'found', files: [file] };
  const more = others.length === 1 ? '' : ` and ${others.length - 1} more`;
  return unknown(`beside ${file} there is ${path.relative(directory, first)}${more} with models too`, hint);
}

/** Follows links, as Prisma does. */
async function schemaFilesBelow(directory: string, seen = new Set<string>()): Promise<string[]> {
  const place = await realpath(directory);
  if (seen.has(place)) return [];
  seen.add(place);
  const files: string[] = [];
  for (const name of (await readdir(directory)).toSorted()) {
    const entry = path.join(directory, name);
    const stats = await stat(entry).catch(() => undefined);
    if (stats?.isFile() === true && name.endsWith('.prisma')) files.push(entry);
    if (stats?.isDirectory() === true && name !== 'node_modules')
      files.push(...(await schemaFilesBelow(entry, seen)));
  }
  return files;
}

function namesSchema(packageFile: string): boolean {
  try {
    const parsed: { prisma?: { schema?: unknown } } | null = JSON.parse(readFileSync(packageFile, 'utf8'));
    return typeof parsed?.prisma?.schema === 'string';
  } catch {
    return false;
  }
}

function unknown(why: string, hint: string): SchemaLocation {
  return { kind: 'unknown', why, hint };
}
