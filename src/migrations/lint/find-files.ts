import { existsSync, readFileSync } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import { git } from '../../core/process/git.js';

/** A file to lint, as it was found. */
export interface FoundFile {
  /** Absolute. */
  readonly file: string;
  /** The migration's name; undefined for a file that is not the `migration.sql` of one. */
  readonly migration: string | undefined;
  /** Whether it was named by itself: then it is judged though the baseline lists it. Defaults to false. */
  readonly isNamed?: boolean;
}

const SCRIPT = 'migration.sql';

/**
 * The migrations of a directory, in the order in which Prisma applies them.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE` where there is no such directory.
 */
export async function migrationsIn(directory: string): Promise<FoundFile[]> {
  const names = await migrationNames(directory);
  return names.map((name) => ({ file: path.join(directory, name, SCRIPT), migration: name }));
}

/**
 * The files that an argument names: itself, or every `.sql` file below it.
 * @throws PgkeepError `USAGE_INVALID` where there is none.
 */
export async function filesNamed(argument: string): Promise<FoundFile[]> {
  const absolute = path.resolve(argument);
  if (await isFile(absolute)) return [{ ...describe(absolute), isNamed: true }];
  try {
    const entries = await readdir(absolute, { recursive: true, encoding: 'utf8' });
    const all = new Set(entries.filter((name) => name.endsWith('.sql')));
    // Beside a migration's script there may be one that takes it back: that is none to apply.
    const files = [...all].filter((name) => {
      const script = path.join(path.dirname(name), SCRIPT);
      return name === script || !all.has(script);
    });
    if (files.length > 0) return files.toSorted().map((name) => describe(path.join(absolute, name)));
  } catch (cause) {
    throw new PgkeepError('USAGE_INVALID', `Cannot lint ${argument}: ${messageOf(cause)}.`, { cause });
  }
  throw new PgkeepError('USAGE_INVALID', `Cannot lint ${argument}: it holds no .sql file.`);
}

/** The migrations that stand before a migration in its own directory. */
export async function historyOf({ file, migration }: FoundFile): Promise<FoundFile[]> {
  if (migration === undefined) return [];
  const all = await migrationsIn(path.dirname(path.dirname(file)));
  return all.filter((one) => (one.migration ?? '') < migration && existsSync(one.file));
}

/**
 * Synchronously: a thousand files take a third of the time that the thread pool would.
 * @returns null where there is no such file: an empty directory must not hide the others' findings.
 * @throws PgkeepError `MIGRATIONS_UNREADABLE`, with the file's name.
 */
export function readBytes(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return null;
    throw new PgkeepError('MIGRATIONS_UNREADABLE', `Cannot read ${file}: ${messageOf(cause)}.`, {
      hint: 'Give the user that runs pgkeep the right to read it.',
      cause,
    });
  }
}

function describe(file: string): FoundFile {
  const isScript = path.basename(file) === SCRIPT;
  return { file, migration: isScript ? path.basename(path.dirname(file)) : undefined };
}

async function migrationNames(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .toSorted();
  } catch (cause) {
    throw new PgkeepError(
      'MIGRATIONS_UNREADABLE',
      `Cannot read the migrations directory ${directory}: ${messageOf(cause)}.`,
      {
        hint: 'Set MIGRATIONS_DIR to the application’s prisma/migrations, or name the files to lint.',
        cause,
      },
    );
  }
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile();
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** The `.sql` files of a change, by their absolute paths. */
interface ChangedFiles {
  readonly files: readonly string[];
  /** Those of them that were not there before. */
  readonly added: ReadonlySet<string>;
}

/**
 * The `.sql` files that a change brings: those that differ from where the branch left `reference`, and those
 * that git does not know yet.
 * @throws PgkeepError `USAGE_INVALID` where git cannot tell: no repository, no such reference, no git.
 */
export async function changedSqlFiles(
  reference: string,
  directory: string,
  searchPath: string,
): Promise<ChangedFiles> {
  const options = {
    directory,
    searchPath,
    hint: 'Name a branch, a tag or a commit that this clone has; in CI fetch it first (fetch-depth: 0).',
  };
  const ask = (...argv: string[]): Promise<string> =>
    git(`find what changed since ${reference}`, argv, options);
  const top = (await ask('rev-parse', '--show-toplevel')).trimEnd();
  // A reference that begins with a dash would be an option.
  const commit = (await ask('rev-parse', '--verify', '--end-of-options', `${reference}^{commit}`)).trimEnd();
  const base = (await ask('merge-base', commit, 'HEAD')).trimEnd();
  const pattern = ':(top,icase)*.sql';
  const changed = await ask('diff', '--name-only', '-z', '--diff-filter=d', base, '--', pattern);
  const others = ['ls-files', '--others', '--exclude-standard', '--full-name', '-z', '--', pattern];
  const untracked = await ask(...others);
  const added = await ask('diff', '--name-only', '-z', '--diff-filter=A', base, '--', pattern);
  const root = await realpath(top);
  const namesOf = (...lists: readonly string[]): string[] =>
    [...new Set(lists.join('').split('\0').filter(Boolean))].toSorted().map((name) => path.join(root, name));
  return { files: namesOf(changed, untracked), added: new Set(namesOf(added, untracked)) };
}
