import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { PgkeepError, messageOf } from '../../core/errors.js';
import { run } from '../../core/process/run.js';

/** The `.sql` files of a change, by their absolute paths. */
export interface ChangedFiles {
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
  const git = async (...argv: string[]): Promise<string> => {
    const { exitCode, stdout, stderrTail } = await run('git', ['-C', directory, ...argv], {
      env: { PATH: searchPath, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0' },
    });
    if (exitCode === 0) return stdout;
    throw new PgkeepError(
      'USAGE_INVALID',
      `Cannot find what changed since ${reference}: git says: ${messageOf({ message: stderrTail })}`,
      {
        hint: 'Name a branch, a tag or a commit that this clone has; in CI fetch it first (fetch-depth: 0).',
      },
    );
  };
  try {
    const top = (await git('rev-parse', '--show-toplevel')).trimEnd();
    // A reference that begins with a dash would be an option.
    const commit = (
      await git('rev-parse', '--verify', '--end-of-options', `${reference}^{commit}`)
    ).trimEnd();
    const base = (await git('merge-base', commit, 'HEAD')).trimEnd();
    const pattern = ':(top,icase)*.sql';
    const changed = await git('diff', '--name-only', '-z', '--diff-filter=d', base, '--', pattern);
    const untracked = await git(
      'ls-files',
      '--others',
      '--exclude-standard',
      '--full-name',
      '-z',
      '--',
      pattern,
    );
    const added = await git('diff', '--name-only', '-z', '--diff-filter=A', base, '--', pattern);
    const root = await realpath(top);
    const namesOf = (...lists: readonly string[]): string[] =>
      [...new Set(lists.join('').split('\0').filter(Boolean))]
        .toSorted()
        .map((name) => path.join(root, name));
    return { files: namesOf(changed, untracked), added: new Set(namesOf(added, untracked)) };
  } catch (error) {
    if (error instanceof PgkeepError) throw error;
    throw new PgkeepError('USAGE_INVALID', `Cannot run git: ${messageOf(error)}.`, { cause: error });
  }
}
