import { databaseFaults, DatabaseVariables, PoolVariables, toDatabaseSettings } from './database-settings.js';
import { GuardVariables } from './migration-settings.js';
import { GRACE_PERIOD_DAYS, PrivacyVariables } from './privacy-settings.js';
import type { Environment } from './read-settings.js';
import { EnvironmentVariables } from './service-settings.js';
import { environmentNameOf, invalidSettings, SettingsReader } from './settings-reader.js';
import { deepFreeze, type DatabaseSettings } from './settings.js';

/** Every class that the settings of the databases are made from. */
const CLASSES = [EnvironmentVariables, DatabaseVariables, PoolVariables, GuardVariables];

/** URLs that an application passes itself, instead of the environment's. */
export interface GivenUrls {
  /** Instead of `DATABASE_URL` and `DATABASE_URL_PROD`. */
  readonly url?: string | undefined;
  /** Instead of `DATABASE_READ_REPLICA_URL`. */
  readonly replicaUrl?: string | undefined;
}

/**
 * Reads the settings that the connections of an application need, and no others: a wrong setting of the backups must
 * not keep the application from starting.
 * @param environment defaults to that of the process
 * @throws PgkeepError `CONFIG_INVALID` with one message that lists every fault. Secrets are named, never shown.
 */
export function readClientSettings(
  { url, replicaUrl }: GivenUrls = {},
  environment: Environment = process.env,
): DatabaseSettings {
  const given = {
    ...environment,
    ...(url !== undefined && { ...unset('DATABASE_URL', 'DATABASE_URL_PROD'), DATABASE_URL: url }),
    ...(replicaUrl !== undefined && {
      ...unset('DATABASE_READ_REPLICA_URL'),
      DATABASE_READ_REPLICA_URL: replicaUrl,
    }),
  };
  const name = environmentNameOf(given);
  const reader = new SettingsReader(given, CLASSES, { workingDirectory: process.cwd(), environment: name });
  if (reader.faults.length > 0) throw invalidSettings(reader.faults);
  const urls = reader.read(DatabaseVariables);
  const faults = [...reader.disagreeingAliases(), ...databaseFaults(urls, name, false)];
  if (faults.length > 0) throw invalidSettings(faults);
  return deepFreeze(toDatabaseSettings(reader, urls, name, given));
}

/**
 * Returns SOFT_DELETE_GRACE_PERIOD_DAYS, which an application's client only quotes: a malformed value counts as unset, and
 * is reported by the service.
 */
export function readGracePeriodDays(environment: Environment = process.env): number {
  const context = { workingDirectory: process.cwd(), environment: environmentNameOf(environment) };
  const reader = new SettingsReader(environment, [PrivacyVariables], context);
  return reader.faults.length > 0 ? GRACE_PERIOD_DAYS : reader.read(PrivacyVariables).graceDays;
}

function unset(...names: readonly string[]): Environment {
  return Object.fromEntries(names.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, undefined]));
}
