import { GENERAL_CODES, VERDICT_CODES, type Check } from './check.js';
import { backupConfig } from './checks/backup-config.js';
import { backups } from './checks/backups.js';
import { databaseSafety } from './checks/database-safety.js';
import { database } from './checks/database.js';
import { environment } from './checks/environment.js';
import { migrations } from './checks/migrations.js';
import { policy } from './checks/policy.js';
import { privacy } from './checks/privacy.js';

export { BackupConfigHealthIndicator } from './checks/backup-config.js';
export { BackupsHealthIndicator } from './checks/backups.js';
export { DatabaseSafetyHealthIndicator } from './checks/database-safety.js';
export { DatabaseHealthIndicator } from './checks/database.js';
export { EnvironmentHealthIndicator } from './checks/environment.js';
export { MigrationsHealthIndicator } from './checks/migrations.js';
export { PolicyHealthIndicator } from './checks/policy.js';
export { PrivacyHealthIndicator } from './checks/privacy.js';

/** The checks, in the order `/ready` shows them. */
export const CHECKS = [
  database,
  environment,
  migrations,
  databaseSafety,
  backupConfig,
  backups,
  policy,
  privacy,
] as const;

/** The name of a check of pgkeep's own. */
export type CheckName = (typeof CHECKS)[number]['name'];

export const CHECK_NAMES: readonly CheckName[] = CHECKS.map(({ name }) => name);

/** Why a check or a verdict fails, or what it rests on: `code` in `/ready`. An application's own checks may add to it. */
export type CheckCode =
  CodeOf<(typeof CHECKS)[number]> | keyof typeof GENERAL_CODES | keyof typeof VERDICT_CODES;

type CodeOf<Declared> = Declared extends Check<string, infer Code> ? Code : never;

const CODES = new Set(
  [...CHECKS.map(({ codes }) => codes), GENERAL_CODES, VERDICT_CODES].flatMap((codes) => Object.keys(codes)),
);

export const CHECK_CODES: readonly CheckCode[] = [...CODES].filter(isCheckCode);

function isCheckCode(code: string): code is CheckCode {
  return CODES.has(code);
}

/** Returns where the documentation explains a code; undefined for a code of the application's own. */
export function hintOf(code: string): string | undefined {
  return isCheckCode(code) ? `docs/checks.md#${code.toLowerCase()}` : undefined;
}
