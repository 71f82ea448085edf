import path from 'node:path';
import { isTrue, optionalMegabytes, optionalNumber, toEncryptionSettings } from './encryption-settings.js';
import { NO_SCHEDULE } from './setting-rules.js';
import type { ReadVariables } from './settings-reader.js';
import { ARCHIVE_FORMATS, type BackupSettings, DEFAULT_RETENTION_HOURS } from './settings.js';

const DEFAULTS = {
  schedule: '0 2 * * *',
  restoreTestSchedule: '0 4 * * 0',
  retentionWeeks: 4,
  retentionMonths: 12,
  restoreTestMaxAgeDays: 90,
  jobLeaseSeconds: 60,
} as const;

/** The values have passed their rules. */
export function toBackupSettings(read: ReadVariables, workingDirectory: string): BackupSettings {
  const { variables } = read;
  return {
    enabled: isTrue(variables.BACKUP_ENABLED),
    schedule: toSchedule(variables.BACKUP_SCHEDULE ?? DEFAULTS.schedule),
    restoreTestSchedule: toSchedule(variables.RESTORE_TEST_SCHEDULE ?? DEFAULTS.restoreTestSchedule),
    retentionHours: Number(variables.BACKUP_RETENTION_HOURS ?? DEFAULT_RETENTION_HOURS),
    retentionDays: optionalNumber(variables.BACKUP_RETENTION_DAYS),
    retentionWeeks: Number(variables.BACKUP_RETENTION_WEEKS ?? DEFAULTS.retentionWeeks),
    retentionMonths: Number(variables.BACKUP_RETENTION_MONTHS ?? DEFAULTS.retentionMonths),
    timeZone: variables.BACKUP_TIMEZONE ?? 'UTC',
    lastRestoreTest: optionalDate(variables.LAST_BACKUP_RESTORE_TEST_DATE),
    restoreTestMaxAgeDays: Number(
      variables.BACKUP_RESTORE_TEST_MAX_AGE_DAYS ?? DEFAULTS.restoreTestMaxAgeDays,
    ),
    jobLeaseMs: Number(variables.JOB_LEASE_SECONDS ?? DEFAULTS.jobLeaseSeconds) * 1000,
    directory: path.resolve(workingDirectory, variables.BACKUP_DIR ?? 'backups'),
    requiredFreeBytes: optionalMegabytes(variables.BACKUP_REQUIRED_FREE_MB),
    format: ARCHIVE_FORMATS.find((format) => format === variables.BACKUP_FORMAT) ?? 'custom',
    compression: variables.BACKUP_COMPRESSION,
    encryption: toEncryptionSettings(read),
  };
}

function toSchedule(text: string): string | undefined {
  return text.toLowerCase() === NO_SCHEDULE ? undefined : text;
}

function optionalDate(text: string | undefined): Date | undefined {
  return text === undefined ? undefined : new Date(text);
}
