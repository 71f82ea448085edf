import type { EnvironmentVariables } from './settings-list.js';
import type { DeploySettings } from './settings.js';

const LOCK_TIMEOUT_MS = 5000;
const STATEMENT_TIMEOUT_MS = 900_000;

export function toDeploySettings({
  MIGRATIONS_LOCK_TIMEOUT: lock,
  MIGRATIONS_STATEMENT_TIMEOUT: statement,
  PROTECTED_TABLES: protectedTables,
}: EnvironmentVariables): DeploySettings {
  return {
    lockTimeoutMs: Number(lock ?? LOCK_TIMEOUT_MS),
    statementTimeoutMs: Number(statement ?? STATEMENT_TIMEOUT_MS),
    protectedTables: protectedTables?.split(',').map((name) => name.trim()) ?? [],
  };
}
