import path from 'node:path';
import { isTrue } from './encryption-settings.js';
import { readEnvironmentFile } from './process-environment.js';
import type { Environment } from './read-settings.js';
import { readSecretFile } from './secret-file.js';
import { type EnvironmentName, ENVIRONMENTS } from './settings.js';

/**
 * What the guard of Prisma's commands goes by. Read without validating the other settings: it is asked by the
 * application's own `prisma.config.ts`, where a setting of the service's may be missing.
 */
export interface GuardSettings {
  /** `NODE_ENV`; a name that is none of pgkeep's is development. */
  readonly environment: EnvironmentName;
  /** `PRISMA_DB_PUSH_ALLOWED`. */
  readonly dbPushAllowed: boolean;
  /** `PGKEEP_GUARD_OVERRIDE` of the shell: what stands in a file was not typed for this command. */
  readonly override: string | undefined;
  /** URLs that say of themselves that they are production's. */
  readonly production: readonly ProductionUrl[];
}

/** @throws PgkeepError `CONFIG_INVALID` when `.env.production` exists and cannot be read. */
export function readGuardSettings(
  environment: Environment,
  workingDirectory?: string,
  shell: Environment = process.env,
): GuardSettings {
  return {
    environment: ENVIRONMENTS.find((name) => name === environment['NODE_ENV']?.trim()) ?? 'development',
    dbPushAllowed: isTrue(environment['PRISMA_DB_PUSH_ALLOWED']?.trim()),
    override: shell['PGKEEP_GUARD_OVERRIDE']?.trim() || undefined,
    production: productionUrls(environment, workingDirectory),
  };
}

/** The URL of the database that these settings mean, as `readSettings` chooses it. */
export function guardedUrl(environment: Environment): string | undefined {
  const names =
    environment['NODE_ENV'] === 'production' ? ['DATABASE_URL_PROD', 'DATABASE_URL'] : ['DATABASE_URL'];
  return names.map((name) => textOf(environment, name)).find((url) => url !== undefined);
}

function textOf(environment: Environment, name: string): string | undefined {
  const direct = environment[name]?.trim() || undefined;
  const file = environment[`${name}_FILE`]?.trim();
  if (direct !== undefined || !file) return direct;
  const secret = readSecretFile(file);
  return 'text' in secret ? secret.text || undefined : undefined;
}

/** A URL of the production database, and what says that it is one. */
export interface ProductionUrl {
  readonly by: string;
  readonly url: string;
}

/** Files that hold production's settings beside those of development. */
const FILES = ['.env.production', '.env.production.local'];

/**
 * Every URL that says of itself that it is production's: `DATABASE_URL_PROD` of the environment, and either URL of
 * `.env.production`. What an environment that is production itself calls `DATABASE_URL` is not among them.
 * @throws PgkeepError `CONFIG_INVALID` when a file exists and cannot be read.
 */
function productionUrls(environment: Environment, workingDirectory: string = process.cwd()): ProductionUrl[] {
  const files = FILES.flatMap((file) => {
    const settings = readEnvironmentFile(path.join(workingDirectory, file));
    return ['DATABASE_URL_PROD', 'DATABASE_URL'].flatMap((name) => urlOf(settings, name, file));
  });
  return [...urlOf(environment, 'DATABASE_URL_PROD', 'DATABASE_URL_PROD'), ...files];
}

function urlOf(settings: Environment, name: string, by: string): ProductionUrl[] {
  const direct = settings[name]?.trim();
  if (direct) return [{ by, url: direct }];
  const file = settings[`${name}_FILE`]?.trim();
  const secret = file ? readSecretFile(file) : undefined;
  // Production's secret is seldom mounted where development runs: what is not there names no database.
  return secret && 'text' in secret && secret.text ? [{ by, url: secret.text }] : [];
}
