import { PgkeepError } from '../../core/errors.js';
import { EXIT, exitCodeOf, explain, explainAsJson } from '../errors.js';
import { runGuardedPrisma } from '../guarded-prisma.js';
import { type CommonOptions, verbEnvironment } from '../run-verb.js';
import type { Terminal } from '../terminal.js';

/**
 * `pgkeep prisma -- ARGUMENTS`: decides, then runs the application's own Prisma on this terminal, with the database
 * and the environment that pgkeep's settings mean.
 * @returns Prisma's exit code; 3 where it is refused.
 */
export async function runPrisma(
  terminal: Terminal,
  argv: readonly string[],
  options: CommonOptions,
): Promise<number> {
  try {
    return await runGuardedPrisma(verbEnvironment(terminal, options.env), argv);
  } catch (error) {
    if (options.json) terminal.out(explainAsJson(error));
    else terminal.err(explain(error));
    return error instanceof PgkeepError ? exitCodeOf(error) : EXIT.failed;
  }
}
