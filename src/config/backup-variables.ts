import { ConnectionVariables } from './connection-variables.js';
import { ARCHIVE_FORMATS } from './settings.js';
import { IsIn, IsISO8601, IsOptional, Matches } from './validation.js';
import {
  IsBucket,
  IsCompression,
  IsEncryptionIdentity,
  IsEncryptionKey,
  IsEndpoint,
  IsFlag,
  IsSchedule,
  IsTimeZone,
  IsWholeNumber,
} from './setting-rules.js';

/**
 * The settings of backups, their copies and their tests, as text; see {@link EnvironmentVariables}, which extends
 * this class.
 */
export class BackupVariables extends ConnectionVariables {
  /** Whether backups are on; production wants true. Defaults to false. */
  @IsOptional()
  @IsFlag()
  BACKUP_ENABLED?: string;

  /** When the service backs up: a cron expression of five or six fields, or off. Defaults to `0 2 * * *`. */
  @IsOptional()
  @IsSchedule()
  BACKUP_SCHEDULE?: string;

  /** When it tests a restore: a cron expression, or off. Defaults to `0 4 * * 0`, Sundays. */
  @IsOptional()
  @IsSchedule()
  RESTORE_TEST_SCHEDULE?: string;

  /** Every backup younger than this many hours is kept. Defaults to 48. */
  @IsOptional()
  @IsWholeNumber({ unit: 'hours', max: 87_600 })
  BACKUP_RETENTION_HOURS?: string;

  /** For how many days daily backups, `pre-restore` and `pre-migration` copies are kept; production wants it set. */
  @IsOptional()
  @IsWholeNumber({ unit: 'days', min: 1, max: 36_500 })
  BACKUP_RETENTION_DAYS?: string;

  /** For how many ISO weeks the newest backup of each is kept. Defaults to 4. */
  @IsOptional()
  @IsWholeNumber({ unit: 'weeks', max: 5200 })
  BACKUP_RETENTION_WEEKS?: string;

  /** For how many months the newest backup of each is kept. Defaults to 12. */
  @IsOptional()
  @IsWholeNumber({ unit: 'months', max: 1200 })
  BACKUP_RETENTION_MONTHS?: string;

  /** The time zone of the schedules, and where a day begins: an IANA name. Defaults to UTC. */
  @IsOptional()
  @IsTimeZone()
  BACKUP_TIMEZONE?: string;

  /** Day of the last restore test, ISO 8601 (2026-02-07). */
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true }, { message: 'an ISO 8601 date such as 2026-02-07' })
  LAST_BACKUP_RESTORE_TEST_DATE?: string;

  /** A restore test older than this many days fails `backupConfig`. Defaults to 90. */
  @IsOptional()
  @IsWholeNumber({ unit: 'days', min: 1, max: 36_500 })
  BACKUP_RESTORE_TEST_MAX_AGE_DAYS?: string;

  /** A restore test that takes longer, in minutes, is ended and counts as failed. Defaults to 360. */
  @IsOptional()
  @IsWholeNumber({ unit: 'minutes', min: 1, max: 10_080 })
  RESTORE_TEST_TIMEOUT_MINUTES?: string;

  /** Free space that a restore needs on the server's disk, in MB; 0 skips the check. Defaults to the database's size. */
  @IsOptional()
  @IsWholeNumber({ unit: 'MB', max: 1_000_000_000 })
  RESTORE_REQUIRED_FREE_MB?: string;

  /** A run whose holder is silent for so many seconds is taken over by another replica. Defaults to 60. */
  @IsOptional()
  @IsWholeNumber({ unit: 'seconds', min: 2, max: 3600 })
  JOB_LEASE_SECONDS?: string;

  /** Directory that backups are kept in. Defaults to ./backups. */
  BACKUP_DIR?: string;

  /**
   * Free space, in MB, that BACKUP_DIR must have before a backup begins; 0 switches the check off. Defaults to 1.25
   * times the last archive, and for the first backup to a quarter of the database's size.
   */
  @IsOptional()
  @IsWholeNumber({ unit: 'megabytes', max: 1_000_000_000 })
  BACKUP_REQUIRED_FREE_MB?: string;

  /** Compression inside the archive, as pg_dump's `--compress`. Defaults to zstd:3, gzip:1 before pg_dump 16. */
  @IsOptional()
  @IsCompression()
  BACKUP_COMPRESSION?: string;

  /** Form of the archive: custom (for pg_restore), plain (SQL, gzipped, for psql). Defaults to custom. */
  @IsOptional()
  @IsIn(ARCHIVE_FORMATS, { message: 'custom or plain' })
  BACKUP_FORMAT?: string;

  /** Whether archives are encrypted (age). Defaults to false. */
  @IsOptional()
  @IsFlag()
  BACKUP_ENCRYPTION_ENABLED?: string;

  /** Who can open them: age recipients (`age1…`), one or more; or a passphrase of at least 12 characters. */
  @IsOptional()
  @IsEncryptionKey()
  BACKUP_ENCRYPTION_KEY?: string;

  /** The secret halves (`AGE-SECRET-KEY-1…`), one or more: only where backups are opened. */
  @IsOptional()
  @IsEncryptionIdentity()
  BACKUP_ENCRYPTION_IDENTITY?: string;

  /** Whether backups are copied to the buckets below. Defaults to false: they are neither written nor read. */
  @IsOptional()
  @IsFlag()
  BACKUP_UPLOAD_ENABLED?: string;

  /** The S3 bucket that backups are copied to. */
  @IsOptional()
  @IsBucket()
  AWS_S3_BACKUP_BUCKET?: string;

  /** Alias of AWS_S3_BACKUP_BUCKET. */
  @IsOptional()
  @IsBucket()
  BACKUP_S3_BUCKET?: string;

  /** The bucket's region. Defaults to AWS_REGION or the AWS profile's; us-east-1 with an endpoint. */
  @IsOptional()
  @Matches(/^[a-z0-9-]+$/, { message: 'a region such as eu-central-1' })
  BACKUP_S3_REGION?: string;

  /** Another server than Amazon's that speaks S3, such as `https://minio.example:9000`. */
  @IsOptional()
  @IsEndpoint()
  BACKUP_S3_ENDPOINT?: string;

  /** The Google Cloud Storage bucket that backups are copied to. */
  @IsOptional()
  @IsBucket()
  GCS_BACKUP_BUCKET?: string;
}
