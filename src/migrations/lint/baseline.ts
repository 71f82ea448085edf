import { createHash } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, KeepError, messageOf } from '../../errors.js';

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
 * @throws KeepError `MIGRATIONS_UNREADABLE` where the file is there and is none.
 */
export async function readBaseline(file: string): Promise<Baseline> {
  try {
    return toBaseline(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return new Map();
    throw new KeepError(
      'MIGRATIONS_UNREADABLE',
      `Cannot read the lint baseline ${file}: ${messageOf(cause)}.`,
      {
        hint: 'Restore it from version control, or write it anew: `pgkeep migrate lint --write-baseline`.',
        cause,
      },
    );
  }
}

/** Writes the baseline whole, or not at all. */
export async function writeBaseline(file: string, baseline: Baseline): Promise<void> {
  const migrations = Object.fromEntries([...baseline].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const temporary = `${file}.part`;
  await writeFile(temporary, `${JSON.stringify({ version: 1, migrations }, null, 2)}\n`);
  await rename(temporary, file);
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
