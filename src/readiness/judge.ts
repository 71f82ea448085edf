import type { Settings, CheckName } from '../config/settings.js';
import { messageOf } from '../core/errors.js';
import { checkBackupConfig } from './checks/backup-config.js';
import { checkBackups } from './checks/backups.js';
import { checkDatabase } from './checks/database.js';
import { checkDatabaseSafety } from './checks/database-safety.js';
import { checkEnvironment } from './checks/environment.js';
import { checkMigrations } from './checks/migrations.js';
import type { CheckOutcome, CheckView, Facts, Known } from './readiness.types.js';

/** The checks as functions of what is known. Pure: same facts, settings and time, same outcome. */
export function checksOf(settings: Settings, facts: Facts, now: Date): Record<CheckName, () => CheckOutcome> {
  return {
    database: () => withMiss(checkDatabase(facts.server), facts.server),
    environment: () => withMiss(checkEnvironment(settings.environment, facts.environment), facts.environment),
    migrations: () => withMiss(checkMigrations(facts.migrations, facts.drift), facts.migrations),
    databaseSafety: () =>
      withMiss(checkDatabaseSafety(settings.environment, settings.database, facts.server), facts.server),
    backupConfig: () => checkBackupConfig(settings.environment, settings.backup, facts.evidence, now),
    backups: () => checkBackups(settings.environment, settings.backup, facts.backups, now),
  };
}

/** Adds why the fact that a check rests on is not confirmed. */
function withMiss(outcome: CheckOutcome, fact: Known<unknown>): CheckOutcome {
  if (!('unconfirmed' in fact) || !fact.unconfirmed) return outcome;
  const { code, text, misses, of } = fact.unconfirmed;
  const miss = `last known, not confirmed: ${text} (missed evaluation ${misses} of ${of})`;
  return { ...outcome, code: outcome.code ?? code, details: `${outcome.details}; ${miss}` };
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
