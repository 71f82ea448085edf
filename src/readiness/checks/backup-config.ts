import { Injectable } from '@nestjs/common';
import { withoutText } from '../../backup/omissions.js';
import type { BackupSettings } from '../../config/settings.js';
import { counted } from '../../core/text.js';
import type { NewestEvidences } from '../../restore/test/evidence.js';
import {
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  defineCheck,
  type Finding,
  outcomeInProduction,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const DAY_MS = 86_400_000;

const CODES = {
  BACKUP_DISABLED: {
    meaning: '`BACKUP_ENABLED` is not `true`.',
    remedy: 'Set up backups, then set `BACKUP_ENABLED=true`.',
  },
  BACKUP_RETENTION_UNSET: {
    meaning: '`BACKUP_RETENTION_DAYS` is not set, so it is not decided how long backups are kept.',
    remedy: 'Set it; 30 is a good start.',
  },
  RESTORE_TEST_UNKNOWN: {
    meaning: 'No restore test is known.',
    remedy: 'Run `pgkeep restore test`, or set `LAST_BACKUP_RESTORE_TEST_DATE`.',
  },
  RESTORE_TEST_OLD: {
    meaning: 'The last restore test is older than `BACKUP_RESTORE_TEST_MAX_AGE_DAYS`.',
    remedy: 'Run `pgkeep restore test`, or set `LAST_BACKUP_RESTORE_TEST_DATE`.',
  },
  RESTORE_TEST_IN_FUTURE: {
    meaning: 'The date of the last restore test is in the future, so it proves nothing.',
    remedy: 'Correct `LAST_BACKUP_RESTORE_TEST_DATE`.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `backupConfig` in an application's own health check. */
@Injectable()
export class BackupConfigHealthIndicator extends CheckHealthIndicator {
  readonly name = 'backupConfig';
}

export const backupConfig = defineCheck({
  name: 'backupConfig',
  question: 'Are backups on, kept, and proven by a recent restore test?',
  gate: 'enforce',
  codes: CODES,
  notes: 'Fails in production only.',
  indicator: BackupConfigHealthIndicator,
  judge,
});

function judge(context: CheckContext): CheckOutcome<Code> {
  const {
    settings: { backup },
    facts: { evidence },
    now,
  } = context;
  const lastRestoreTest = lastTestOf(backup, evidence, now);
  return outcomeInProduction(context, summaryOf(backup, lastRestoreTest, now), {
    failing: findingsOf(backup, lastRestoreTest, now),
    notes: notesOf(evidence),
  });
}

/** Returns the later of the date that was set and the newest passed test; a date in the future counts last. */
function lastTestOf(
  { lastRestoreTest }: BackupSettings,
  evidence: NewestEvidences | undefined,
  now: Date,
): Date | undefined {
  const known = [lastRestoreTest, evidence?.newestPassed?.finishedAt].filter((date) => date !== undefined);
  const latestFirst = known.toSorted((left, right) => right.getTime() - left.getTime());
  return latestFirst.find((date) => date <= now) ?? latestFirst[0];
}

function notesOf(evidence: NewestEvidences | undefined): string[] {
  const newest = evidence?.newest;
  if (newest?.verdict === 'failed') return [`the newest restore test failed: ${newest.backup}`];
  const without = newest?.without ?? [];
  return without.length === 0 ? [] : [`the newest restore test passed${withoutText(without)}`];
}

function findingsOf(settings: BackupSettings, lastRestoreTest: Date | undefined, now: Date): Finding<Code>[] {
  const findings: Finding<Code>[] = [];
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
): Finding<Code> | undefined {
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
