import { isTrue } from './archive-settings.js';
import { productionUrls, type ProductionUrl } from './production-urls.js';
import type { Environment } from './read-settings.js';
import { readSecretFile } from './secret-file.js';
import { ENVIRONMENTS, type EnvironmentName } from './settings.js';

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
