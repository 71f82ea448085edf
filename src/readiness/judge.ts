import type { Settings, CheckName } from '../config/settings.js';
import { messageOf } from '../errors.js';
import { checkBackupConfig } from './check-backup-config.js';
import { checkBackups } from './check-backups.js';
import { checkDatabase } from './check-database.js';
import { checkDatabaseSafety } from './check-database-safety.js';
import { checkEnvironment } from './check-environment.js';
import { checkMigrations } from './check-migrations.js';
import type { CheckOutcome, CheckView, Facts } from './readiness.types.js';

/** The checks as functions of what is known. Pure: same facts, settings and time, same outcome. */
export function checksOf(settings: Settings, facts: Facts, now: Date): Record<CheckName, () => CheckOutcome> {
  return {
    database: () => checkDatabase(facts.server),
    environment: () => checkEnvironment(settings.environment, facts.environment),
    migrations: () => checkMigrations(facts.migrations, facts.drift),
    databaseSafety: () => checkDatabaseSafety(settings.environment, settings.database, facts.server),
    backupConfig: () => checkBackupConfig(settings.environment, settings.backup, facts.evidence, now),
    backups: () => checkBackups(settings.environment, settings.backup, facts.backups, now),
  };
}

/** Runs one check. One that throws says no, with its reason: never a 500. */
export function runCheck(check: () => CheckOutcome): CheckOutcome {
  try {
    return check();
  } catch (error) {
    return { ok: false, code: 'CHECK_FAILED', details: `The check itself failed: ${messageOf(error)}` };
  }
}

/** Whether a failing check makes the verdict "not ready". */
export function blocks({ ok, gate }: CheckView, wasReady: boolean): boolean {
  return !ok && (gate === 'enforce' || (gate === 'latch' && !wasReady));
}
