import path from 'node:path';
import { guardedUrl, readGuardSettings } from '../../config/guard-settings.js';
import { KeepError } from '../../errors.js';
import { guard } from '../../guard/guard.js';
import { LAUNCHER } from '../../guard/override.js';
import { runInherited } from '../../process/run-inherited.js';
import { EXIT, exitCodeOf } from '../exit-codes.js';
import { explain, explainAsJson } from '../explain.js';
import { findPrismaCli, findPrismaConfig } from '../prisma-cli.js';
import { verbEnvironment, type CommonOptions } from '../run-verb.js';
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
    const environment = verbEnvironment(terminal, options.env);
    const workingDirectory = process.cwd();
    const url = guardedUrl(environment);
    const verdict = await guard({
      ...readGuardSettings(environment),
      argv,
      url,
      shadowUrl: environment['SHADOW_DATABASE_URL'],
      door: LAUNCHER,
    });
    if (verdict.verdict === 'refuse') {
      throw new KeepError('GUARD_REFUSED', verdict.reason, { hint: verdict.remedy });
    }
    const migrations = path.resolve(environment['MIGRATIONS_DIR']?.trim() || 'prisma/migrations');
    const config = argv.some((word) => /^--config(?:=|$)/.test(word))
      ? undefined
      : findPrismaConfig(migrations, workingDirectory);
    const all = [
      findPrismaCli(workingDirectory),
      ...(config === undefined ? [] : ['--config', config]),
      ...argv,
    ];
    return await runInherited(process.execPath, all, { ...environment, ...(url && { DATABASE_URL: url }) });
  } catch (error) {
    if (options.json) terminal.out(explainAsJson(error));
    else terminal.err(explain(error));
    return error instanceof KeepError ? exitCodeOf(error) : EXIT.failed;
  }
}
