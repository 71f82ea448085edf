/**
 * The guard for an application's own `prisma.config.ts` and its test suite: `pgkeep/prisma`. Loads next to nothing
 * where a command connects to no database.
 */
import { writeSync } from 'node:fs';
import { guardedUrl, readGuardSettings } from './config/guard-settings.js';
import { loadEnvironment } from './config/process-environment.js';
import { PgkeepError, messageOf } from './core/errors.js';
import { guard } from './guard/prisma/guard.js';
import type { Verdict } from './guard/prisma/guard.types.js';
import { parsePrismaCommand } from './guard/prisma/prisma-command.js';

export { useSchemaEngine } from '../bin/use-schema-engine.mjs';

/** What the guard reads of a Prisma configuration. */
export interface GuardableConfig {
  readonly datasource?: {
    readonly url?: string;
    /** Of Prisma 6, whose migrations go there. */
    readonly directUrl?: string;
    readonly shadowDatabaseUrl?: string;
  };
}

/** Options of `guardedConfig`. */
export interface GuardOptions {
  /**
   * A `postgresql://` URL of the same database, where Prisma's own is none (Accelerate) or holds no password.
   * Defaults to the configuration's `datasource.url`, or `DATABASE_URL` where it has none.
   */
  readonly url?: string;
}

/** Exit codes of pgkeep's command: refused by a guard, configuration, failed. */
const EXIT = { refused: 3, configuration: 78, failed: 1 } as const;

/**
 * Decides on the command of Prisma's that evaluates this configuration, before it does anything, and gives the
 * configuration back. A command that is refused ends here: the reason and what to do instead on stderr, exit code 3.
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
  await orLeave(async () => {
    const { environment } = loadEnvironment();
    return await guard({
      ...readGuardSettings(environment),
      argv,
      url: options.url ?? datasource?.directUrl ?? datasource?.url ?? guardedUrl(environment),
      shadowUrl: datasource?.shadowDatabaseUrl,
      door: 'prisma.config.ts',
    });
  });
  return settled;
}

/**
 * For the global set-up of a test suite: ends the run (exit code 3) where the database is stamped for anything but
 * tests, or is production's.
 */
export async function guardTests(url: string | undefined): Promise<void> {
  await orLeave(async () => {
    const { judgeTestDatabase } = await import('./guard/prisma/test-database.js');
    return await judgeTestDatabase(url, readGuardSettings(loadEnvironment().environment));
  });
}

/** Prisma would wrap an exception into "Failed to load config file" and exit 1: the process is ended here instead. */
async function orLeave(decision: () => Promise<Verdict>): Promise<void> {
  let verdict: Verdict;
  try {
    verdict = await decision();
  } catch (error) {
    // What cannot be decided is not let through.
    const isConfiguration = error instanceof PgkeepError && error.kind === 'configuration';
    const hint = error instanceof PgkeepError ? error.hint : undefined;
    tell(messageOf(error), hint);
    process.exit(isConfiguration ? EXIT.configuration : EXIT.failed);
  }
  if (verdict.verdict === 'allow') return;
  tell(verdict.reason, verdict.remedy);
  process.exit(EXIT.refused);
}

/** Written at once: what is buffered would be lost with the process. */
function tell(...lines: readonly (string | undefined)[]): void {
  writeSync(process.stderr.fd, `${lines.filter(Boolean).join('\n')}\n`);
}
