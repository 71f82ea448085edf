import { createHash } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, KeepError, messageOf } from '../../errors.js';
import type { BaselineReport } from './lint-run.types.js';
import { migrationsIn, readBytes } from './migration-files.js';

/** The migrations that were there before the lint was: by name, the sha256 of each. */
export type Baseline = ReadonlyMap<string, string>;

/** Beside the migrations directory, whose every entry Prisma takes for a migration. */
export function baselineFile(migrationsDirectory: string): string {
  return path.join(path.dirname(migrationsDirectory), 'pgkeep-lint-baseline.json');
}

/** The digest of a migration, the same on every system: a checkout may change line endings. */
export function digestOf(content: Uint8Array): string {
  const text = Buffer.from(content).toString('latin1').replaceAll('\r\n', '\n');
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/**
 * Reads the baseline; an absent one is empty.
 * @throws KeepError `LINT_FAILED` where the file is there and is none.
 */
export async function readBaseline(file: string): Promise<Baseline> {
  try {
    return toBaseline(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return new Map();
    throw new KeepError('LINT_FAILED', `Cannot read the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Restore it from version control, or write it anew: `pgkeep migrate lint --write-baseline`.',
      cause,
    });
  }
}

/**
 * Lists every migration of the directory.
 * @throws KeepError `MIGRATIONS_UNREADABLE`, or `LINT_FAILED` where it cannot be written.
 */
export async function listInBaseline(migrationsDirectory: string): Promise<BaselineReport> {
  const migrations: Record<string, string> = {};
  for (const { file, migration = '' } of await migrationsIn(migrationsDirectory)) {
    migrations[migration] = digestOf(readBytes(file));
  }
  const file = baselineFile(migrationsDirectory);
  await write(file, `${JSON.stringify({ version: 1, migrations }, null, 2)}\n`);
  return { file, migrations: Object.keys(migrations).length };
}

/** Writes a file whole, or not at all. */
async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  } catch (cause) {
    await rm(`${file}.part`, { force: true });
    throw new KeepError('LINT_FAILED', `Cannot write the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Write it where the sources are, and commit it; an image needs only to read it.',
      cause,
    });
  }
}

function toBaseline(json: unknown): Baseline {
  const migrations: unknown =
    typeof json === 'object' && json !== null ? Reflect.get(json, 'migrations') : undefined;
  if (typeof migrations !== 'object' || migrations === null) throw new TypeError('it has no "migrations"');
  const entries = Object.entries(migrations).map(([name, digest]: [string, unknown]): [string, string] => {
    if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) {
      throw new TypeError(`the checksum of ${name} is not a sha256`);
    }
    return [name, digest];
  });
  return new Map(entries);
}
