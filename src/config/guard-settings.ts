import path from 'node:path';
import { readEnvironmentFile } from './process-environment.js';
import type { Environment } from './read-settings.js';
import { readVariable } from './secret-file.js';
import { isTrue } from './setting-parsers.js';
import { type EnvironmentName, ENVIRONMENTS } from './settings.js';

/**
 * What the guard of Prisma's commands depends on. Read without validating the other settings: the application's own
 * `prisma.config.ts` calls it, where a setting of the service may be missing.
 */
export interface GuardSettings {
  /** `NODE_ENV`; an unknown name counts as development. */
  readonly environment: EnvironmentName;
  /** `PRISMA_DB_PUSH_ALLOWED`. */
  readonly dbPushAllowed: boolean;
  /** `PGKEEP_GUARD_OVERRIDE` of the shell: a value in a file was not typed for this command. */
  readonly override: string | undefined;
  /** URLs that are named as those of production. */
  readonly production: readonly ProductionUrl[];
}

/** Reads them. @throws PgkeepError `CONFIG_INVALID` if `.env.production` exists and cannot be read. */
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

/** Returns the URL of the guarded database, chosen as `readSettings` does. */
export function guardedUrl(environment: Environment): string | undefined {
  const names =
    environment['NODE_ENV'] === 'production' ? ['DATABASE_URL_PROD', 'DATABASE_URL'] : ['DATABASE_URL'];
  return names.map((name) => textOf(environment, name)).find((url) => url !== undefined);
}

/** A URL of the production database, and what says that it is one. */
export interface ProductionUrl {
  readonly by: string;
  readonly url: string;
}

/** Files with production's settings beside those of development. */
const FILES = ['.env.production', '.env.production.local'];

/**
 * Returns every URL that is named as production's: `DATABASE_URL_PROD` of the environment, and both URLs of
 * `.env.production`. `DATABASE_URL` of an environment that is production itself is not among them.
 * @throws PgkeepError `CONFIG_INVALID` if a file exists and cannot be read.
 */
function productionUrls(environment: Environment, workingDirectory: string = process.cwd()): ProductionUrl[] {
  const files = FILES.flatMap((file) => {
    const settings = readEnvironmentFile(path.join(workingDirectory, file));
    return ['DATABASE_URL_PROD', 'DATABASE_URL'].flatMap((name) => urlOf(settings, name, file));
  });
  return [...urlOf(environment, 'DATABASE_URL_PROD', 'DATABASE_URL_PROD'), ...files];
}

function urlOf(settings: Environment, name: string, by: string): ProductionUrl[] {
  const url = textOf(settings, name);
  return url === undefined ? [] : [{ by, url }];
}

/** A faulty file names no database: production's secret is seldom mounted where development runs. */
function textOf(environment: Environment, name: string): string | undefined {
  const read = readVariable(environment, name);
  return 'text' in read ? read.text : environment[name]?.trim() || undefined;
}
