import { createHash } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import { migrationsIn, readBytes } from './find-files.js';
import type { AcceptedEditReport, BaselineReport } from './lint.types.js';

/** What a team has agreed on; it is beside the migrations, in version control. */
export interface Baseline {
  /** The migrations that are exempt until they change: by name, the sha256 of each. */
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

/** Returns the file of the baseline. It is beside the migrations directory: Prisma treats every entry of that as a migration. */
export function baselineFile(migrationsDirectory: string): string {
  return path.join(path.dirname(migrationsDirectory), 'pgkeep-lint-baseline.json');
}

/** Returns the digest of a migration, the same on every system: a checkout may change line endings. */
export function digestOf(content: Uint8Array): string {
  const text = Buffer.from(content).toString('latin1').replaceAll('\r\n', '\n');
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

/**
 * Reads the baseline; an absent one is empty.
 * @throws PgkeepError `LINT_FAILED` if the file exists and is not a baseline.
 */
async function readBaseline(file: string): Promise<Baseline> {
  try {
    return toBaseline(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return { migrations: new Map(), edits: new Map() };
    throw new PgkeepError('LINT_FAILED', `Cannot read the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Restore it from version control, or write it again: `pgkeep migrate lint --write-baseline`.',
      cause,
    });
  }
}

/**
 * Lists every migration of the directory; accepted edits stay.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, or `LINT_FAILED` if it cannot be written.
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
 * @throws PgkeepError `USAGE_INVALID` if there is no such migration, or `LINT_FAILED`.
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
      hint: 'Use the name of its directory. `pgkeep migrate status` lists the changed migrations.',
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

/** Writes a file completely, or not at all. */
async function write(file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.part`, text);
    await rename(`${file}.part`, file);
  } catch (cause) {
    await rm(`${file}.part`, { force: true });
    throw new PgkeepError('LINT_FAILED', `Cannot write the lint baseline ${file}: ${messageOf(cause)}.`, {
      hint: 'Write it in a checkout of the sources, and commit it. A deployed image only reads it.',
      cause,
    });
  }
}

function toBaseline(json: unknown): Baseline {
  const migrations: unknown = Reflect.get(Object(json), 'migrations');
  if (typeof migrations !== 'object' || migrations === null) throw new TypeError('"migrations" is missing');
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

/** A migrations directory and its baseline. Each file is read at most once, so that every decision is about one content. */
export class MigrationSources {
  private readonly contents = new Map<string, Buffer | null>();
  private baselineRead: Promise<Baseline> | undefined;

  constructor(readonly directory: string) {}

  /**
   * Returns the content of a file; null if there is no such file.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`.
   */
  read(file: string): Buffer | null {
    const known = this.contents.get(file);
    if (known !== undefined) return known;
    const content = readBytes(file);
    this.contents.set(file, content);
    return content;
  }

  /** Returns the baseline. @throws PgkeepError `LINT_FAILED` if it exists and cannot be read. */
  async baseline(): Promise<Baseline> {
    this.baselineRead ??= readBaseline(baselineFile(this.directory));
    return await this.baselineRead;
  }
}
