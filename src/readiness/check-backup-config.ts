import type { BackupSettings, EnvironmentName } from '../config/settings.js';
import { outcomeOf, outsideProduction } from './outcome.js';
import type { CheckOutcome, Finding } from './readiness.types.js';

const DAY_MS = 86_400_000;

/** Are backups on, kept, and proven by a recent restore test? Fails in production only. */
export function checkBackupConfig(
  environment: EnvironmentName,
  settings: BackupSettings,
  now: Date,
): CheckOutcome {
  const failing = findingsOf(settings, now);
  const summary = summaryOf(settings, now);
  return environment === 'production'
    ? outcomeOf(summary, { failing })
    : outsideProduction(summary, { failing });
}

function findingsOf(settings: BackupSettings, now: Date): Finding[] {
  const findings: Finding[] = [];
  if (!settings.enabled) {
    findings.push({ code: 'BACKUP_DISABLED', text: "BACKUP_ENABLED must be set to 'true' in production" });
  }
  if (settings.retentionDays === undefined) {
    findings.push({
      code: 'BACKUP_RETENTION_UNSET',
      text: 'BACKUP_RETENTION_DAYS must be set in production',
    });
  }
  const restoreTest = restoreTestFinding(settings, now);
  return restoreTest ? [...findings, restoreTest] : findings;
}

function restoreTestFinding(settings: BackupSettings, now: Date): Finding | undefined {
  const { lastRestoreTest, restoreTestMaxAgeDays } = settings;
  if (!lastRestoreTest) {
    return {
      code: 'RESTORE_TEST_UNKNOWN',
      text: `No backup restore test is known - test backups every ${restoreTestMaxAgeDays} days and set LAST_BACKUP_RESTORE_TEST_DATE`,
    };
  }
  if (lastRestoreTest > now) {
    return {
      code: 'RESTORE_TEST_IN_FUTURE',
      text: `LAST_BACKUP_RESTORE_TEST_DATE is in the future (${lastRestoreTest.toISOString().slice(0, 10)})`,
    };
  }
  const age = ageInDays(lastRestoreTest, now);
  if (age <= restoreTestMaxAgeDays) return undefined;
  return {
    code: 'RESTORE_TEST_OLD',
    text: `Backup restore test is ${age} days old - test backups every ${restoreTestMaxAgeDays} days`,
  };
}

function summaryOf({ enabled, retentionDays, lastRestoreTest }: BackupSettings, now: Date): string {
  const retention = retentionDays === undefined ? 'retention not set' : `${retentionDays} days retention`;
  const test =
    lastRestoreTest && lastRestoreTest <= now
      ? `restore test ${ageInDays(lastRestoreTest, now)} days old`
      : 'no restore test known';
  return [...(enabled ? [] : ['backups off']), retention, test].join(', ');
}

function ageInDays(date: Date, now: Date): number {
  return Math.floor((now.getTime() - date.getTime()) / DAY_MS);
}
