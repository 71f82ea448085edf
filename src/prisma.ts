/**
 * The guard for an application's `prisma.config.ts` and test suite: `pgkeep/prisma`. Loads almost nothing
 * if a command connects to no database.
 */
import { writeSync } from 'node:fs';
import { guardedUrl, readGuardSettings } from './config/guard-settings.js';
import { loadEnvironment } from './config/process-environment.js';
import { PgkeepError, messageOf } from './core/errors.js';
import { guard, judgeTestDatabase } from './guard/prisma/guard.js';
import type { Verdict } from './guard/prisma/guard.types.js';
import { parsePrismaCommand } from './guard/prisma/prisma-command.js';

export { useSchemaEngine } from '../bin/use-schema-engine.mjs';

/** What the guard reads of a Prisma configuration. */
export interface GuardableConfig {
  readonly datasource?: {
    readonly url?: string;
    /** Of Prisma 6, which migrates through it. */
    readonly directUrl?: string;
    readonly shadowDatabaseUrl?: string;
  };
}

/** Options of `guardedConfig`. */
export interface GuardOptions {
  /**
   * A `postgresql://` URL of the same database, if Prisma's own is not one (Accelerate) or has no password.
   * Defaults to the configuration's `datasource.url`, or `DATABASE_URL`
   */
  readonly url?: string;
}

/** Exit codes of pgkeep's command: refused by a guard, configuration, failed. */
const EXIT = { refused: 3, configuration: 78, failed: 1 } as const;

/**
 * Decides on the Prisma command that loads this configuration, before it does anything, and returns the
 * configuration. A refused command ends here: the reason and what to do instead on stderr, exit code 3.
 *
 * ```ts
 * export default await guardedConfig(defineConfig({ … }));
 * ```
 */
export async function guardedConfig<Config extends GuardableConfig>(
  config: Config | Promise<Config>,
  options: GuardOptions = {},
): Promise<Config> {
  const settled = await config;
  const { datasource } = settled;
  const argv = process.argv.slice(2);
  if (parsePrismaCommand(argv).effect === 'nothing') return settled;
  await exitUnlessAllowed(async () => {
    const { environment } = loadEnvironment();
    return await guard({
      ...readGuardSettings(environment),
      argv,
      url: options.url ?? datasource?.directUrl ?? datasource?.url ?? guardedUrl(environment),
      shadowUrl: datasource?.shadowDatabaseUrl,
      via: 'prisma.config.ts',
    });
  });
  return settled;
}

/**
 * For the global set-up of a test suite: ends the run (exit code 3) if the database is stamped for anything but
 * tests, or is production's.
 */
export async function guardTests(url: string | undefined): Promise<void> {
  await exitUnlessAllowed(
    async () => await judgeTestDatabase(url, readGuardSettings(loadEnvironment().environment)),
  );
}

/** Prisma would wrap an exception into "Failed to load config file" and exit 1: the process is ended here instead. */
async function exitUnlessAllowed(decision: () => Promise<Verdict>): Promise<void> {
  let verdict: Verdict;
  try {
    verdict = await decision();
  } catch (error) {
    // What cannot be decided is refused.
    const isConfiguration = error instanceof PgkeepError && error.kind === 'configuration';
    const hint = error instanceof PgkeepError ? error.hint : undefined;
    printError(messageOf(error), hint);
    process.exit(isConfiguration ? EXIT.configuration : EXIT.failed);
  }
  if (verdict.verdict === 'allow') return;
  printError(verdict.reason, verdict.remedy);
  process.exit(EXIT.refused);
}

/** Written synchronously: buffered output would be lost with the process. */
function printError(...lines: readonly (string | undefined)[]): void {
  writeSync(process.stderr.fd, `${lines.filter(Boolean).join('\n')}\n`);
}
