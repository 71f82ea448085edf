import path from 'node:path';
import { readEnvironmentFile } from './process-environment.js';
import type { Environment } from './read-settings.js';
import { readSecretFile } from './secret-file.js';

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
export function productionUrls(
  environment: Environment,
  workingDirectory: string = process.cwd(),
): ProductionUrl[] {
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
