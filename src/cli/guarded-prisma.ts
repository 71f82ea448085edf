import path from 'node:path';
import { guardedUrl, readGuardSettings } from '../config/guard-settings.js';
import type { Environment } from '../config/read-settings.js';
import { KeepError } from '../errors.js';
import { guard } from '../guard/guard.js';
import { LAUNCHER } from '../guard/override.js';
import { runInherited } from '../process/run-inherited.js';
import { findPrismaCli, findPrismaConfig } from './prisma-cli.js';

/**
 * Asks the guard whether a command of Prisma's may run with these settings.
 * @throws KeepError `GUARD_REFUSED`.
 */
export async function requireGuard(
  environment: Environment,
  argv: readonly string[],
  door: string,
): Promise<void> {
  const verdict = await guard({
    ...readGuardSettings(environment),
    argv,
    url: guardedUrl(environment),
    shadowUrl: environment['SHADOW_DATABASE_URL'],
    door,
  });
  if (verdict.verdict === 'allow') return;
  throw new KeepError('GUARD_REFUSED', verdict.reason, { hint: verdict.remedy });
}

/**
 * Runs the application's own Prisma on this terminal, where the guard lets it.
 * @param output where what Prisma prints to stdout goes
 * @returns Prisma's exit code.
 * @throws KeepError `GUARD_REFUSED`, `PRISMA_MISSING`.
 */
export async function runGuardedPrisma(
  environment: Environment,
  argv: readonly string[],
  output: 'stdout' | 'stderr' = 'stdout',
): Promise<number> {
  const workingDirectory = process.cwd();
  await requireGuard(environment, argv, LAUNCHER);
  const url = guardedUrl(environment);
  const migrations = path.resolve(environment['MIGRATIONS_DIR']?.trim() || 'prisma/migrations');
  const config = argv.some((word) => /^--config(?:=|$)/.test(word))
    ? undefined
    : findPrismaConfig(migrations, workingDirectory);
  const all = [
    findPrismaCli(workingDirectory),
    ...(config === undefined ? [] : ['--config', config]),
    ...argv,
  ];
  return await runInherited(
    process.execPath,
    all,
    { ...environment, ...(url && { DATABASE_URL: url }) },
    output,
  );
}
