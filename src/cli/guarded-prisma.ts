import path from 'node:path';
import { parseDatabaseUrl } from '../config/database-url.js';
import { guardedUrl, readGuardSettings } from '../config/guard-settings.js';
import type { PrismaConfiguration } from '../config/prisma-project.js';
import type { Environment } from '../config/read-settings.js';
import { PgkeepError } from '../core/errors.js';
import { runInherited } from '../core/process/run.js';
import { needsDatabase } from '../guard/prisma/decide.js';
import { guard, LAUNCHER } from '../guard/prisma/guard.js';
import { parsePrismaCommand } from '../guard/prisma/prisma-command.js';
import { evaluatePrismaConfig } from '../migrations/prisma-config/evaluate-prisma-config.js';
import {
  findPrismaCli,
  nearestPrismaConfig,
  prismaConfigIn,
} from '../migrations/prisma-config/find-prisma.js';

/** The databases that a Prisma command would work on. */
interface Datasource {
  readonly url: string | undefined;
  readonly shadowUrl: string | undefined;
}

/** How Prisma is run. */
export interface PrismaRun {
  /** Where Prisma's stdout goes. */
  readonly output?: 'stdout' | 'stderr';
  /** The configuration, if it was evaluated already. */
  readonly configuration?: PrismaConfiguration | undefined;
}

/**
 * Checks that a Prisma command may run on these databases. Defaults to those of the settings
 * @throws PgkeepError `GUARD_REFUSED`.
 */
export async function requireGuard(
  environment: Environment,
  argv: readonly string[],
  via: string,
  datasource: Partial<Datasource> = {},
): Promise<void> {
  const { url = guardedUrl(environment), shadowUrl = environment['SHADOW_DATABASE_URL'] } = datasource;
  const verdict = await guard({ ...readGuardSettings(environment), argv, url, shadowUrl, via });
  if (verdict.verdict === 'allow') return;
  throw new PgkeepError('GUARD_REFUSED', verdict.reason, { hint: verdict.remedy });
}

/**
 * Runs the application's own Prisma on this terminal, if the guard allows it.
 * @returns Prisma's exit code.
 * @throws PgkeepError `GUARD_REFUSED`, `PRISMA_MISSING`, `PRISMA_CONFIG_INVALID`.
 */
export async function runGuardedPrisma(
  environment: Environment,
  argv: readonly string[],
  { output = 'stdout', configuration }: PrismaRun = {},
): Promise<number> {
  const workingDirectory = process.cwd();
  const url = guardedUrl(environment);
  const own = { ...environment, ...(url && { DATABASE_URL: url }) };
  const command = parsePrismaCommand(argv);
  const above = command.config ?? configAboveMigrations(environment, workingDirectory);
  const config = above === undefined ? prismaConfigIn(workingDirectory)?.file : path.resolve(above);
  // Do not evaluate the configuration for a command that depends on no database.
  const isJudged = needsDatabase(command, readGuardSettings(environment).environment);
  const datasource = isJudged && config !== undefined ? await datasourceOf(config, own, configuration) : {};
  await requireGuard(environment, argv, LAUNCHER, datasource);
  const all = [
    findPrismaCli(workingDirectory),
    ...(above === undefined || command.config !== undefined ? [] : ['--config', above]),
    ...argv,
  ];
  return await runInherited(process.execPath, all, own, output);
}

function configAboveMigrations(environment: Environment, workingDirectory: string): string | undefined {
  const migrations = environment['MIGRATIONS_DIR']?.trim() || undefined;
  return migrations && findPrismaConfig(path.resolve(migrations), workingDirectory);
}

/** Returns the databases that the configuration names. */
async function datasourceOf(
  config: string,
  environment: Environment,
  known: PrismaConfiguration | undefined,
): Promise<Partial<Datasource>> {
  const options = { environment, workingDirectory: process.cwd() };
  const isKnown = known !== undefined && known.file === config;
  const { url, shadowUrl } = isKnown ? known : await evaluatePrismaConfig(config, options);
  return { url: withPassword(url, environment['DATABASE_URL']), shadowUrl };
}

/** Returns the settings' URL for the same database if the configuration's has no password. */
function withPassword(url: string | undefined, own: string | undefined): string | undefined {
  if (url === undefined || own === undefined) return url ?? own;
  try {
    const [left, right] = [parseDatabaseUrl(url), parseDatabaseUrl(own)];
    const places = [left, right].map(({ hosts, database, user }) => JSON.stringify([hosts, database, user]));
    return left.password === undefined && places[0] === places[1] ? own : url;
  } catch {
    return url;
  }
}

/**
 * Returns the application's Prisma configuration: the nearest above its migrations. Undefined if it is the
 * working directory's, which Prisma finds itself, or if there is none.
 */
export function findPrismaConfig(migrationsDirectory: string, workingDirectory: string): string | undefined {
  const config = nearestPrismaConfig(migrationsDirectory, workingDirectory);
  return config?.directory === path.resolve(workingDirectory) ? undefined : config?.file;
}
