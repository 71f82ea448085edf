import { withoutText } from '../../backup/omission-texts.js';
import type { BackupSettings, EnvironmentName } from '../../config/settings.js';
import { counted } from '../../core/text.js';
import type { NewestEvidences } from '../../restore/test/newest-evidence.js';
import { outcomeOf, outsideProduction } from '../outcome.js';
import type { CheckOutcome, Finding } from '../readiness.types.js';

const DAY_MS = 86_400_000;

/** Are backups on, kept, and proven by a recent restore test? Fails in production only. */
export function checkBackupConfig(
  environment: EnvironmentName,
  settings: BackupSettings,
  evidence: NewestEvidences | undefined,
  now: Date,
): CheckOutcome {
  const lastRestoreTest = lastTestOf(settings, evidence, now);
  const failing = findingsOf(settings, lastRestoreTest, now);
  const summary = summaryOf(settings, lastRestoreTest, now);
  const findings = { failing, told: toldOf(evidence) };
  return environment === 'production' ? outcomeOf(summary, findings) : outsideProduction(summary, findings);
}

/** The later of the date that somebody typed and the newest evidence that passed; what is to come counts last. */
function lastTestOf(
  { lastRestoreTest }: BackupSettings,
  evidence: NewestEvidences | undefined,
  now: Date,
): Date | undefined {
  const known = [lastRestoreTest, evidence?.newestPassed?.finishedAt].filter((date) => date !== undefined);
  const latestFirst = known.toSorted((left, right) => right.getTime() - left.getTime());
  return latestFirst.find((date) => date <= now) ?? latestFirst[0];
}

function toldOf(evidence: NewestEvidences | undefined): string[] {
  const newest = evidence?.newest;
  if (newest?.verdict === 'failed') return [`the newest restore test failed: ${newest.backup}`];
  const without = newest?.without ?? [];
  return without.length === 0 ? [] : [`the newest restore test passed${withoutText(without)}`];
}

function findingsOf(settings: BackupSettings, lastRestoreTest: Date | undefined, now: Date): Finding[] {
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
  const restoreTest = restoreTestFinding(settings, lastRestoreTest, now);
  return restoreTest ? [...findings, restoreTest] : findings;
}

function restoreTestFinding(
  { restoreTestMaxAgeDays }: BackupSettings,
  lastRestoreTest: Date | undefined,
  now: Date,
): Finding | undefined {
  if (!lastRestoreTest) {
    return {
      code: 'RESTORE_TEST_UNKNOWN',
      text: `No backup restore test is known - test backups every ${counted(restoreTestMaxAgeDays, 'day')}: \`pgkeep restore test\`, or set LAST_BACKUP_RESTORE_TEST_DATE`,
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
    text: `Backup restore test is ${counted(age, 'day')} old - test backups every ${counted(restoreTestMaxAgeDays, 'day')}`,
  };
}

function summaryOf(
  { enabled, retentionDays }: BackupSettings,
  lastRestoreTest: Date | undefined,
  now: Date,
): string {
  const retention =
    retentionDays === undefined ? 'retention not set' : `${counted(retentionDays, 'day')} retention`;
  const test =
    lastRestoreTest && lastRestoreTest <= now
      ? `restore test ${counted(ageInDays(lastRestoreTest, now), 'day')} old`
      : 'no restore test known';
  return [...(enabled ? [] : ['backups off']), retention, test].join(', ');
}

function ageInDays(date: Date, now: Date): number {
  return Math.floor((now.getTime() - date.getTime()) / DAY_MS);
}
