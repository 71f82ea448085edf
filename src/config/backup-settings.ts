import { urlFromFile } from './database-settings.js';
import { type DatabaseUrl, parseDatabaseUrl } from './database-url.js';
import { type EncryptionKey, parseEncryptionKey, parseIdentities } from './encryption-keys.js';
import type { Fault } from './secret-file.js';
import {
  isTrue,
  oneOf,
  parseDate,
  parseMegabytes,
  parseMinutes,
  parsePath,
  parseSchedule,
  parseSeconds,
} from './setting-parsers.js';
import {
  IsCompression,
  IsDatabaseUrl,
  IsEncryptionIdentity,
  IsEncryptionKey,
  IsFlag,
  IsOneOf,
  IsSchedule,
  IsTimeZone,
  IsWholeNumber,
} from './setting-rules.js';
import { Setting } from './setting.js';
import { ARCHIVE_FORMATS, type ArchiveFormat, DEFAULT_RETENTION_HOURS } from './settings.js';
import { IsISO8601 } from './validation.js';

/** When backups are made, where they are kept, and in what form. */
export class ArchiveVariables {
  @Setting('BACKUP_ENABLED', {
    text: 'whether backups are on: `backupConfig` requires it in production, and the service then keeps the schedules',
    default: 'false',
    example: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly enabled: boolean;

  /** A cron expression; undefined if it is `off`. */
  @Setting('BACKUP_SCHEDULE', {
    text: 'when the service backs up: a cron expression of five fields (minute, hour, day, month, weekday), or six with seconds first; `off` if something else runs `pgkeep backup`, such as a Kubernetes CronJob',
    default: '0 2 * * *',
    parse: parseSchedule,
  })
  @IsSchedule()
  readonly schedule: string | undefined;

  /** A cron expression; undefined if it is `off`. */
  @Setting('RESTORE_TEST_SCHEDULE', {
    text: 'when the service tests a restore of the newest backup (by default on Sundays), or `off`',
    default: '0 4 * * 0',
    parse: parseSchedule,
  })
  @IsSchedule()
  readonly restoreTestSchedule: string | undefined;

  /** The time zone of the schedules, and of days in retention. */
  @Setting('BACKUP_TIMEZONE', {
    text: 'time zone of the schedules and of the days in retention: an IANA name',
    default: 'UTC',
    parse: String,
  })
  @IsTimeZone()
  readonly timeZone: string;

  /** A run whose holder does not renew its lease for this long is taken over. */
  @Setting('JOB_LEASE_SECONDS', {
    text: 'a run whose holder does not renew its lease for this long is taken over by another replica',
    default: '60',
    unit: 'seconds',
    family: 'JOB_LEASE_',
    parse: parseSeconds,
  })
  @IsWholeNumber({ min: 2, max: 3600 })
  readonly jobLeaseMs: number;

  /** Directory of the backups, absolute. */
  @Setting('BACKUP_DIR', {
    text: 'directory of the backups',
    default: './backups',
    parse: parsePath,
  })
  readonly directory: string;

  /** Undefined leaves the estimate to pgkeep. */
  @Setting('BACKUP_REQUIRED_FREE_MB', {
    text: 'free space that a backup needs in `BACKUP_DIR`; 0 switches the check off',
    defaultText: '1.25 times the last archive; for the first one a quarter of the database’s size',
    example: '500',
    unit: 'MB',
    parse: parseMegabytes,
  })
  @IsWholeNumber({ max: 1_000_000_000 })
  readonly requiredFreeBytes: number | undefined;

  /** As pg_dump's `--compress` takes it; undefined leaves the choice to pgkeep. */
  @Setting('BACKUP_COMPRESSION', {
    text: 'compression of the archive: `none`, `gzip:1`…`9`, `lz4:1`…`12`, `zstd:1`…`22`',
    defaultText: '`zstd:3`; `gzip:1` before pg_dump 16',
    example: 'zstd:3',
    parse: String,
  })
  @IsCompression()
  readonly compression: string | undefined;

  @Setting('BACKUP_FORMAT', {
    text: 'format of the archive: `custom` (pg_dump’s own, for `pg_restore`) or `plain` (`.sql.gz`, for `psql`; gzip only)',
    default: 'custom',
    parse: oneOf(ARCHIVE_FORMATS),
  })
  @IsOneOf(ARCHIVE_FORMATS)
  readonly format: ArchiveFormat;
}

/** How long backups are kept, and how old the last restore test may be. */
export class RetentionVariables {
  /** Every backup younger than this is kept. */
  @Setting('BACKUP_RETENTION_HOURS', {
    text: '`backup prune` keeps every backup younger than this',
    default: `${DEFAULT_RETENTION_HOURS}`,
    unit: 'hours',
    parse: Number,
  })
  @IsWholeNumber({ max: 87_600 })
  readonly retentionHours: number;

  /** The value as given; undefined if it was not, which fails `/ready` in production. */
  @Setting('BACKUP_RETENTION_DAYS', {
    text: 'how long backups are kept; `backup prune` keeps the newest of each of these days (7 if unset). Production requires it',
    example: '30',
    unit: 'days',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 36_500 })
  readonly retentionDays: number | undefined;

  /** For how many ISO weeks the newest backup of each is kept. */
  @Setting('BACKUP_RETENTION_WEEKS', {
    text: '`backup prune` keeps the newest backup of each of this many ISO weeks',
    default: '4',
    unit: 'weeks',
    parse: Number,
  })
  @IsWholeNumber({ max: 5200 })
  readonly retentionWeeks: number;

  /** For how many months the newest backup of each is kept. */
  @Setting('BACKUP_RETENTION_MONTHS', {
    text: '`backup prune` keeps the newest backup of each of this many months',
    default: '12',
    unit: 'months',
    parse: Number,
  })
  @IsWholeNumber({ max: 1200 })
  readonly retentionMonths: number;

  @Setting('LAST_BACKUP_RESTORE_TEST_DATE', {
    text: 'ISO 8601 date of the last restore test, if it was made without pgkeep',
    example: '2026-02-07',
    family: 'LAST_BACKUP_',
    parse: parseDate,
  })
  @IsISO8601({ strict: true, strictSeparator: true }, { message: 'an ISO 8601 date such as 2026-02-07' })
  readonly lastRestoreTest: Date | undefined;

  /** An older restore test fails `backupConfig`. */
  @Setting('BACKUP_RESTORE_TEST_MAX_AGE_DAYS', {
    text: 'age from which a restore test fails `backupConfig`',
    default: '90',
    unit: 'days',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 36_500 })
  readonly restoreTestMaxAgeDays: number;
}

/** How archives are encrypted, and who can decrypt them. Keys change with their files, so read them for each use. */
export class EncryptionVariables {
  /** There is a key if this is true. */
  @Setting('BACKUP_ENCRYPTION_ENABLED', {
    text: 'whether archives are encrypted with age. See [encryption](encryption.md)',
    default: 'false',
    example: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly enabled: boolean;

  /** A passphrase also decrypts. */
  @Setting('BACKUP_ENCRYPTION_KEY', {
    text: 'who can decrypt them: age recipients (`age1…`, comma separated), which are public and which `age-keygen` makes, or a passphrase of at least 12 characters',
    example: 'age1…',
    secret: true,
    parse: parseEncryptionKey,
  })
  @IsEncryptionKey()
  readonly key: EncryptionKey | undefined;

  @Setting('BACKUP_ENCRYPTION_IDENTITY', {
    text: 'secret keys (`AGE-SECRET-KEY-1…`), only where backups are decrypted; with `_FILE`, a file as `age-keygen` writes it',
    example: 'AGE-SECRET-KEY-1…',
    secret: true,
    default: '',
    parse: (text) => (text === '' ? [] : parseIdentities(text)),
  })
  @IsEncryptionIdentity()
  readonly identities: readonly string[];
}

/** Returns what makes no sense together among the settings of archives. */
export function archiveFaults(
  { format, compression }: ArchiveVariables,
  { enabled, key }: EncryptionVariables,
): Fault[] {
  const faults: Fault[] = [];
  if (enabled && key === undefined) {
    faults.push({
      subject: 'BACKUP_ENCRYPTION_KEY',
      problem: 'must be set if BACKUP_ENCRYPTION_ENABLED is true: age recipients (age1…), or a passphrase',
    });
  }
  if (format === 'plain' && compression !== undefined && !compression.startsWith('gzip:')) {
    faults.push({
      subject: 'BACKUP_COMPRESSION',
      problem: `must be gzip:1 to gzip:9 if BACKUP_FORMAT is plain; it is "${compression}"`,
    });
  }
  return faults;
}

/** Where restores are tested, and what they need. */
export class RestoreVariables {
  /** Undefined: a temporary PostgreSQL on this machine. */
  @Setting('TEST_DATABASE_URL', {
    text: 'the server for restore tests, in a database created for each; never the protected one',
    defaultText: 'a temporary PostgreSQL on this machine, if its server programs are installed',
    example: 'postgresql://user:password@host:5432/scratch',
    secret: true,
    family: 'TEST_DATABASE_',
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly testUrl: DatabaseUrl | undefined;

  /** A longer restore test is ended and counts as failed. */
  @Setting('RESTORE_TEST_TIMEOUT_MINUTES', {
    text: 'a restore test that takes longer is ended and counts as failed',
    default: '360',
    unit: 'minutes',
    parse: parseMinutes,
  })
  @IsWholeNumber({ min: 1, max: 10_080 })
  readonly testTimeoutMs: number;

  /** Undefined: the size of the database that was backed up. */
  @Setting('RESTORE_REQUIRED_FREE_MB', {
    text: 'free space that a restore and a restore test need on the disk of the server, if pgkeep can see it; 0 skips the check',
    defaultText: 'the size of the database that was backed up',
    example: '5000',
    unit: 'MB',
    parse: parseMegabytes,
  })
  @IsWholeNumber({ max: 1_000_000_000 })
  readonly requiredFreeBytes: number | undefined;
}
