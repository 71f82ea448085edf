import 'reflect-metadata';
import { accessFaults, AccessVariables, toJwtSettings } from './access-settings.js';
import { alertFaults, AlertVariables } from './alert-settings.js';
import {
  archiveFaults,
  ArchiveVariables,
  EncryptionVariables,
  RestoreVariables,
  RetentionVariables,
} from './backup-settings.js';
import { databaseFaults, DatabaseVariables, toDatabaseSettings } from './database-settings.js';
import { DashboardVariables } from './dashboard-settings.js';
import { DeployVariables, MigrationVariables } from './migration-settings.js';
import { MetricsVariables } from './metrics-settings.js';
import { MonitoringVariables } from './monitoring-settings.js';
import { BucketVariables, offsiteFaults, toOffsiteSettings } from './offsite-settings.js';
import { PrivacyVariables } from './privacy-settings.js';
import { HttpVariables, readinessFaults, ReadinessVariables } from './service-settings.js';
import { SETTINGS_CLASSES } from './settings-list.js';
import { environmentNameOf, invalidSettings, SettingsReader } from './settings-reader.js';
import { deepFreeze, type Settings } from './settings.js';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadOptions {
  /** Whether the database may be unset. Defaults to false. */
  readonly databaseIsOptional?: boolean;
  /**
   * The names that `READINESS_GATES` may use. Defaults to any: `PgkeepModule` then refuses a name that neither pgkeep
   * nor the application has a check for.
   */
  readonly checks?: readonly string[];
}

/**
 * Reads every setting from an environment (`process.env` of the calling program, or any other record) into one deeply
 * frozen object. A secret from a file is read again whenever it is used.
 * @throws PgkeepError `CONFIG_INVALID` with one message that lists every fault. Secrets are named, never shown.
 */
export function readSettings(
  environment: Environment,
  workingDirectory: string = process.cwd(),
  { databaseIsOptional = false, checks }: ReadOptions = {},
): Settings {
  const name = environmentNameOf(environment);
  const reader = new SettingsReader(environment, SETTINGS_CLASSES, {
    workingDirectory,
    environment: name,
    checks,
  });
  if (reader.faults.length > 0) throw invalidSettings(reader.faults);
  const urls = reader.read(DatabaseVariables);
  const archives = reader.read(ArchiveVariables);
  const encryption = reader.read(EncryptionVariables);
  const readiness = reader.read(ReadinessVariables);
  const buckets = reader.read(BucketVariables);
  const alerts = reader.read(AlertVariables);
  const access = reader.read(AccessVariables);
  const faults = [
    ...reader.disagreeingAliases(),
    ...databaseFaults(urls, name, databaseIsOptional),
    ...readinessFaults(readiness),
    ...archiveFaults(archives, encryption),
    ...offsiteFaults(buckets),
    ...alertFaults(alerts),
    ...accessFaults(access),
  ];
  if (faults.length > 0) throw invalidSettings(faults);
  return deepFreeze({
    environment: name,
    database: toDatabaseSettings(reader, urls, name, environment),
    ...reader.read(MigrationVariables),
    migrationsDirectoryIsNamed: reader.text('MIGRATIONS_DIR') !== undefined,
    prisma: { kind: 'not-evaluated' },
    deploy: reader.read(DeployVariables),
    searchPath: environment['PATH'] ?? '',
    readiness,
    http: reader.read(HttpVariables),
    jwt: toJwtSettings(access),
    backup: { ...archives, ...reader.read(RetentionVariables), encryption },
    restore: reader.read(RestoreVariables),
    privacy: reader.read(PrivacyVariables),
    offsite: toOffsiteSettings(buckets),
    monitoring: reader.read(MonitoringVariables),
    dashboard: reader.read(DashboardVariables),
    alerts,
    metrics: reader.read(MetricsVariables),
  });
}
