import { messageOf, PgkeepError } from '../errors.js';
import { run } from './run.js';

/**
 * Runs git in a directory and returns what it printed. It takes no lock: it may run beside the user's own git.
 * @param operation completes "Cannot …"
 * @throws PgkeepError `USAGE_INVALID` with git's own words: no repository, no such reference, no git.
 */
export async function git(
  operation: string,
  argv: readonly string[],
  { directory, searchPath, hint }: { directory: string; searchPath: string; hint?: string },
): Promise<string> {
  const env = { PATH: searchPath, LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0' };
  const result = await run('git', ['-C', directory, ...argv], { env }).catch((cause: unknown) => {
    throw new PgkeepError('USAGE_INVALID', `Cannot run git: ${messageOf(cause)}.`, { cause });
  });
  if (result.exitCode === 0) return result.stdout;
  throw new PgkeepError(
    'USAGE_INVALID',
    `Cannot ${operation}. git: ${messageOf({ message: result.stderrTail })}`,
    hint === undefined ? {} : { hint },
  );
}
