import { distance } from 'fastest-levenshtein';
import { AccessVariables } from './access-settings.js';
import { AlertVariables } from './alert-settings.js';
import {
  ArchiveVariables,
  EncryptionVariables,
  RestoreVariables,
  RetentionVariables,
} from './backup-settings.js';
import { DashboardVariables } from './dashboard-settings.js';
import { DatabaseVariables, PoolVariables } from './database-settings.js';
import { DeployVariables, GuardVariables, MigrationVariables } from './migration-settings.js';
import { MetricsVariables } from './metrics-settings.js';
import { MonitoringVariables } from './monitoring-settings.js';
import { BucketVariables } from './offsite-settings.js';
import { PrivacyVariables } from './privacy-settings.js';
import type { Environment } from './read-settings.js';
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
  { title: 'Service and readiness', classes: [HttpVariables, DashboardVariables, ReadinessVariables] },
  { title: 'Access', classes: [AccessVariables] },
  { title: 'Backups', classes: [ArchiveVariables] },
  { title: 'Retention and restore tests', classes: [RetentionVariables, RestoreVariables] },
  { title: 'Personal data', classes: [PrivacyVariables] },
  { title: 'Encryption', classes: [EncryptionVariables] },
  { title: 'Off-site', classes: [BucketVariables] },
  { title: 'Monitoring', classes: [MonitoringVariables, MetricsVariables] },
  { title: 'Alerts', classes: [AlertVariables] },
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

/** The beginnings of names that look like a setting. */
const FAMILIES = [
  ...new Set(
    DECLARATIONS.flatMap((declared) =>
      namesOf(declared).map((name) =>
        name === declared.name ? (declared.family ?? firstWordOf(name)) : firstWordOf(name),
      ),
    ),
  ),
].filter((family) => family !== '');

/**
 * Returns one warning for each variable that looks like a setting but is none: its name, and the nearest setting if
 * one is near. Values are not shown.
 */
export function unknownSettings(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => environment[name] !== undefined && FAMILIES.some((family) => name.startsWith(family)))
    .filter((name) => !SETTING_NAMES.some((known) => name === known || name === `${known}_FILE`))
    .toSorted()
    .map((name) => {
      const nearest = nearestName(name);
      const hint = nearest ? `did you mean ${nearest}?` : 'this version has no setting of that name.';
      return `${name} is not a setting of pgkeep and is ignored: ${hint}`;
    });
}

/** Returns the first word of a name with its underscore. */
function firstWordOf(name: string): string {
  return /^[A-Z]+_/.exec(name)?.[0] ?? '';
}

function nearestName(name: string): string | undefined {
  const ranked = SETTING_NAMES.map((known) => ({ known, edits: distance(name, known) })).toSorted(
    (left, right) => left.edits - right.edits,
  );
  const best = ranked[0];
  // With more than a third of the letters wrong it is another name, not a misspelling.
  return best && best.edits <= Math.max(2, Math.floor(name.length / 3)) ? best.known : undefined;
}
