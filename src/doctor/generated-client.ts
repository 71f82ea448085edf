import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { readSchemaFiles } from '../migrations/prisma-config/find-prisma-schema.js';

/** A client that Prisma generates from the schema, against what was generated. */
export interface GeneratedClient {
  /** The generator's name in the schema. */
  readonly generator: string;
  readonly directory: string;
  /** `older`: it was generated from another schema than the files hold now. */
  readonly state: 'current' | 'older' | 'missing';
}

const GENERATOR = /^[ \t]*generator\s+(\w+)\s*\{([^}]*)\}/gm;
const CLIENT_PROVIDERS = new Set(['prisma-client', 'prisma-client-js']);

/** Prisma writes the schema into the client: as a file, or as a string in its code. */
const INLINE_SCHEMA = /"inlineSchema":\s*("(?:[^"\\]|\\.)*")/;

/** Reads the clients that schema files declare, and compares each with the schema that it was generated from. */
export async function readGeneratedClients(files: readonly string[]): Promise<GeneratedClient[]> {
  const contents = await readSchemaFiles(files);
  const schema = comparable(contents.map(({ content }) => content).join('\n'));
  const clients = contents.flatMap(({ path: file, content }) => declaredClients(file, content));
  return await Promise.all(
    clients.map(async ({ generator, directory }) => {
      const generated = await readGeneratedSchema(directory);
      if (generated === undefined) return { generator, directory, state: 'missing' as const };
      return { generator, directory, state: comparable(generated) === schema ? 'current' : 'older' };
    }),
  );
}

function declaredClients(file: string, schema: string): { generator: string; directory: string }[] {
  return [...schema.matchAll(GENERATOR)].flatMap(([, generator = '', body = '']) => {
    const provider = valueOf(body, 'provider');
    if (provider === undefined || !CLIENT_PROVIDERS.has(provider)) return [];
    const output = valueOf(body, 'output');
    const directory = output === undefined ? defaultOutput(file) : path.resolve(path.dirname(file), output);
    return directory === undefined ? [] : [{ generator, directory }];
  });
}

function valueOf(body: string, name: string): string | undefined {
  return new RegExp(`^\\s*${name}\\s*=\\s*"([^"]*)"`, 'm').exec(body)?.[1];
}

/** Beside the package that the application imports; undefined where that is not installed. */
function defaultOutput(file: string): string | undefined {
  try {
    const client = createRequire(file).resolve('@prisma/client/package.json');
    return path.resolve(path.dirname(client), '../../.prisma/client');
  } catch {
    return undefined;
  }
}

async function readGeneratedSchema(directory: string): Promise<string | undefined> {
  const copy = path.join(directory, 'schema.prisma');
  if (existsSync(copy)) return await readFile(copy, 'utf8');
  const internal = path.join(directory, 'internal');
  if (!existsSync(internal)) return undefined;
  const file = (await readdir(internal)).find((name) => /^class\.[cm]?[jt]s$/.test(name));
  if (file === undefined) return undefined;
  const literal = INLINE_SCHEMA.exec(await readFile(path.join(internal, file), 'utf8'))?.[1];
  const text: unknown = literal === undefined ? undefined : JSON.parse(literal);
  return typeof text === 'string' ? text : undefined;
}

/**
 * Returns a schema in the form in which two are compared: Prisma formats it, leaves the order of the files to their
 * names, and takes no notice of plain comments.
 */
function comparable(schema: string): string {
  const blocks: string[] = [];
  let block: string[] = [];
  for (const line of schema.split('\n').map((one) => one.trim().replaceAll(/\s+/g, ' '))) {
    if (line === '' || /^\/\/(?!\/)/.test(line)) continue;
    block.push(line);
    if (line !== '}') continue;
    blocks.push(block.join('\n'));
    block = [];
  }
  return [...blocks, ...block].toSorted().join('\n\n');
}
