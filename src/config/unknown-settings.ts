import { distance } from 'fastest-levenshtein';
import { SETTING_NAMES } from './settings-list.js';
import type { Environment } from './read-settings.js';

const PREFIXES = [
  'DATABASE_',
  'DIRECT_',
  'DB_',
  'MIGRATIONS_',
  'PROTECTED_',
  'ADMIN_API_',
  'READINESS_',
  'BACKUP_',
  'AWS_S3_BACKUP_',
  'GCS_BACKUP_',
  'LAST_BACKUP_',
  'RESTORE_TEST_',
  'JOB_LEASE_',
  'PRISMA_DB_',
  'PGKEEP_GUARD_',
  'RESTORE_',
  'TEST_DATABASE_',
  'TRUST_PROX',
];

/**
 * One warning for each variable that looks like a setting but is none: the name, and the nearest known name
 * where one is near. Values are not shown.
 */
export function unknownSettings(environment: Environment): string[] {
  return Object.keys(environment)
    .filter((name) => environment[name] !== undefined && PREFIXES.some((prefix) => name.startsWith(prefix)))
    .filter((name) => !SETTING_NAMES.some((known) => name === known || name === `${known}_FILE`))
    .toSorted()
    .map((name) => {
      const nearest = nearestName(name);
      const hint = nearest ? `did you mean ${nearest}?` : 'this version has no setting of that name.';
      return `${name} is not a setting of pgkeep and is ignored: ${hint}`;
    });
}

function nearestName(name: string): string | undefined {
  const ranked = SETTING_NAMES.map((known) => ({ known, edits: distance(name, known) })).toSorted(
    (left, right) => left.edits - right.edits,
  );
  const best = ranked[0];
  // A third of the letters wrong is no longer a slip of the finger.
  return best && best.edits <= Math.max(2, Math.floor(name.length / 3)) ? best.known : undefined;
}
