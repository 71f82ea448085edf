import { createHash } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import type { AcceptedEditReport, BaselineReport } from './lint.types.js';
import { migrationsIn, readBytes } from './find-files.js';

/** What a team has agreed on, beside the migrations and in version control. */
export interface Baseline {
  /** The migrations that were there before the lint was: by name, the sha256 of each. */
  readonly migrations: ReadonlyMap<string, string>;
  /** Changes of applied migrations that were accepted, by name. */
  readonly edits: ReadonlyMap<string, AcceptedEdit>;
}

/** A change of an applied migration. */
export interface AcceptedEdit {
  /** Of the file as it is after the change: the next change is not accepted by this. */
  readonly sha256: string;
  readonly because: string;
}

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
 * @throws PgkeepError `LINT_FAILED` where the file is there and is none.
 */
export async function readBaseline(file: string): Promise<Baseline> {
  try {
    return toBaseline(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return { migrations: new Map(), edits: new Map() };
    throw new PgkeepError('LINT_FAILED', `Cannot read the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Restore it from version control, or write it anew: `pgkeep migrate lint --write-baseline`.',
      cause,
    });
  }
}

/**
 * Lists every migration of the directory; accepted edits stay.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or `LINT_FAILED` where it cannot be written.
 */
export async function listInBaseline(migrationsDirectory: string): Promise<BaselineReport> {
  const migrations = new Map<string, string>();
  for (const { file, migration = '' } of await migrationsIn(migrationsDirectory)) {
    const content = readBytes(file);
    if (content) migrations.set(migration, digestOf(content));
  }
  const file = baselineFile(migrationsDirectory);
  await writeBaseline(file, { ...(await readBaseline(file)), migrations });
  return { file, migrations: migrations.size };
}

/**
 * Records that a change of an applied migration is accepted, as its file is now.
 * @throws PgkeepError `USAGE_INVALID` where there is no such migration, or `LINT_FAILED`.
 */
export async function acceptEdit(
  migrationsDirectory: string,
  name: string,
  because: string,
): Promise<AcceptedEditReport> {
  const found = (await migrationsIn(migrationsDirectory)).find(({ migration }) => migration === name);
  const content = found && readBytes(found.file);
  if (!content) {
    throw new PgkeepError('USAGE_INVALID', `There is no migration "${name}" in ${migrationsDirectory}.`, {
      hint: 'Use the name of its directory: `pgkeep migrate status` lists those that were changed.',
    });
  }
  const file = baselineFile(migrationsDirectory);
  const baseline = await readBaseline(file);
  const edit = { sha256: digestOf(content), because };
  await writeBaseline(file, { ...baseline, edits: new Map([...baseline.edits, [name, edit]]) });
  return { file, migration: name, because };
}

async function writeBaseline(file: string, { migrations, edits }: Baseline): Promise<void> {
  const json = {
    version: 1,
    migrations: Object.fromEntries(migrations),
    ...(edits.size > 0 && { edits: Object.fromEntries(edits) }),
  };
  await write(file, `${JSON.stringify(json, null, 2)}\n`);
}

/** Writes a file whole, or not at all. */
async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  } catch (cause) {
    await rm(`${file}.part`, { force: true });
    throw new PgkeepError('LINT_FAILED', `Cannot write the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Write it where the sources are, and commit it; an image needs only to read it.',
      cause,
    });
  }
}

function toBaseline(json: unknown): Baseline {
  const migrations: unknown = Reflect.get(Object(json), 'migrations');
  if (typeof migrations !== 'object' || migrations === null) throw new TypeError('it has no "migrations"');
  const digests = Object.entries(migrations).map(([name, digest]: [string, unknown]): [string, string] => [
    name,
    requireDigest(name, digest),
  ]);
  const edits: unknown = Reflect.get(Object(json), 'edits') ?? {};
  const accepted = Object.entries(Object(edits)).map(
    ([name, edit]: [string, unknown]): [string, AcceptedEdit] => {
      const { sha256, because } = Object(edit);
      if (typeof because !== 'string' || because.trim() === '') {
        throw new TypeError(`the accepted edit of ${name} has no reason ("because")`);
      }
      return [name, { sha256: requireDigest(name, sha256), because }];
    },
  );
  return { migrations: new Map(digests), edits: new Map(accepted) };
}

function requireDigest(name: string, digest: unknown): string {
  if (typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest)) return digest;
  throw new TypeError(`the checksum of ${name} is not a sha256`);
}
