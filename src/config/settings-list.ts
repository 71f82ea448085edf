import { ArchiveVariables, EncryptionVariables, RetentionVariables } from './backup-settings.js';
import { DatabaseVariables, PoolVariables } from './database-settings.js';
import { DeployVariables, GuardVariables, MigrationVariables } from './migration-settings.js';
import { BucketVariables } from './offsite-settings.js';
import { PrivacyVariables } from './privacy-settings.js';
import { RestoreVariables } from './restore-settings.js';
import { EnvironmentVariables, HttpVariables, ReadinessVariables } from './service-settings.js';
import { type Declaration, declarationsOf, namesOf, type SettingsClass } from './setting.js';

/** Settings of one topic: a section of docs/settings.md and of .env.example. */
interface Section {
  readonly title: string;
  readonly classes: readonly SettingsClass[];
}

/** Every setting that this version knows, in the order of the documentation and of messages. */
export const SECTIONS: readonly Section[] = [
  { title: 'Environment', classes: [EnvironmentVariables] },
  { title: 'Database', classes: [DatabaseVariables, PoolVariables] },
  { title: 'Migrations and guards', classes: [MigrationVariables, DeployVariables, GuardVariables] },
  { title: 'Service and readiness', classes: [HttpVariables, ReadinessVariables] },
  { title: 'Backups', classes: [ArchiveVariables] },
  { title: 'Retention and restore tests', classes: [RetentionVariables, RestoreVariables] },
  { title: 'Personal data', classes: [PrivacyVariables] },
  { title: 'Encryption', classes: [EncryptionVariables] },
  { title: 'Off-site', classes: [BucketVariables] },
];

export const SETTINGS_CLASSES: readonly SettingsClass[] = SECTIONS.flatMap(({ classes }) => classes);

export const DECLARATIONS: readonly Declaration[] = SETTINGS_CLASSES.flatMap((settings) =>
  declarationsOf(settings),
);

/** The names of all settings, aliases included. */
export const SETTING_NAMES: readonly string[] = DECLARATIONS.flatMap((declaration) => namesOf(declaration));

/** The names of settings whose values are never shown, not even if they are wrong. */
export const SECRET_SETTINGS: ReadonlySet<string> = new Set(
  DECLARATIONS.filter(({ secret }) => secret).flatMap((declaration) => namesOf(declaration)),
);
