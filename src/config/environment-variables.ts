import { IsIn, IsISO8601, IsOptional, MinLength, ValidateIf } from './validation.js';
import { DETAIL_LEVELS, ENVIRONMENTS } from './settings.js';
import {
  IsCompression,
  IsDatabaseUrl,
  IsFlag,
  IsGateList,
  IsListenAddress,
  IsNameList,
  IsTimeZone,
  IsWholeNumber,
} from './setting-validators.js';

/**
 * Every setting this version knows, as text, the way the environment holds it. Each can also come as
 * `NAME_FILE`, a path to a file that holds the value. An empty value counts as unset. The message of each
 * rule completes the sentence "NAME must be …".
 */
export class EnvironmentVariables {
  /** Which environment this is. Defaults to development. */
  @IsOptional()
  @IsIn(ENVIRONMENTS, { message: 'development, test, staging or production' })
  NODE_ENV?: string;

  /** The guarded database. Outside production pgkeep starts a PostgreSQL of its own where it is unset. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL?: string;

  /** The production database; wins over DATABASE_URL in production. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL_PROD?: string;

  /** A streaming replica of the guarded database: statistics are read there. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_READ_REPLICA_URL?: string;

  /** Largest number of pooled connections. Production wants it set, from 1 to 100. Defaults to 10, 5 in development. */
  @IsOptional()
  @IsWholeNumber({ unit: 'connections' })
  DATABASE_MAX_CONNECTIONS?: string;

  /** Alias of DATABASE_MAX_CONNECTIONS. */
  @IsOptional()
  @IsWholeNumber({ unit: 'connections' })
  DB_POOL_MAX?: string;

  /** Longest wait for a free pooled connection, in seconds. Defaults to 20. */
  @IsOptional()
  @IsWholeNumber({ unit: 'seconds', max: 3600 })
  DB_POOL_CONNECTION_TIMEOUT?: string;

  /** Longest wait for a new connection, in seconds. Defaults to 10. */
  @IsOptional()
  @IsWholeNumber({ unit: 'seconds', max: 3600 })
  DB_CONNECT_TIMEOUT?: string;

  /** statement_timeout of pooled connections, in milliseconds. Defaults to 60000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', max: 2_147_483_647 })
  DB_QUERY_TIMEOUT?: string;

  /** A pooled connection idle for this long is closed, in milliseconds. Defaults to 600000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', max: 2_147_483_647 })
  DB_IDLE_TIMEOUT?: string;

  /** Whether `prisma db push` is allowed; production refuses true. Defaults to false. */
  @IsOptional()
  @IsFlag()
  PRISMA_DB_PUSH_ALLOWED?: string;

  /** The guarded application's migrations. Defaults to prisma/migrations below the working directory. */
  MIGRATIONS_DIR?: string;

  /** Columns that name a row's owner, comma separated; every new table must have one. Defaults to owner_id,ownerId, asked for less strictly. */
  @IsOptional()
  @IsNameList()
  MIGRATIONS_OWNER_COLUMNS?: string;

  /** Port to listen on; 0 takes a free one. Defaults to 3000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'a TCP port', max: 65_535 })
  PORT?: string;

  /** Address to listen on. Defaults to 0.0.0.0. */
  @IsOptional()
  @IsListenAddress()
  HOST?: string;

  /** Token of the admin routes; they are closed without one. At least 32 characters in production. */
  @IsOptional()
  @ValidateIf((variables: EnvironmentVariables) => variables.NODE_ENV === 'production')
  @MinLength(32, { message: 'at least 32 characters long in production' })
  ADMIN_API_TOKEN?: string;

  /** One evaluation of the checks every so many milliseconds. Defaults to 5000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 100, max: 3_600_000 })
  READINESS_REFRESH_MS?: string;

  /** Deadline of one evaluation in milliseconds, below READINESS_REFRESH_MS. Defaults to 800. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 50, max: 60_000 })
  READINESS_TIMEOUT_MS?: string;

  /** What anonymous callers of /ready see: always, codes (no texts), never (status only). Defaults to always. */
  @IsOptional()
  @IsIn(DETAIL_LEVELS, { message: 'always, codes or never' })
  READINESS_DETAILS?: string;

  /** Gates that differ from enforce, such as `backupConfig=latch,environment=warn`. */
  @IsOptional()
  @IsGateList()
  READINESS_GATES?: string;

  /** Whether backups are on; production wants true. Defaults to false. */
  @IsOptional()
  @IsFlag()
  BACKUP_ENABLED?: string;

  /** For how many days daily backups are kept; production wants it set. */
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

  /** Where a day begins, an IANA time zone. Defaults to UTC. */
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

  /** Directory that backups are kept in. Defaults to ./backups. */
  BACKUP_DIR?: string;

  /** Compression inside the archive, as pg_dump's `--compress`. Defaults to zstd:3, gzip:1 before pg_dump 16. */
  @IsOptional()
  @IsCompression()
  BACKUP_COMPRESSION?: string;
}

/** Names of all settings, in the order of the class; `satisfies` keeps the two in step. */
const NAMES = {
  NODE_ENV: true,
  DATABASE_URL: true,
  DATABASE_URL_PROD: true,
  DATABASE_READ_REPLICA_URL: true,
  DATABASE_MAX_CONNECTIONS: true,
  DB_POOL_MAX: true,
  DB_POOL_CONNECTION_TIMEOUT: true,
  DB_CONNECT_TIMEOUT: true,
  DB_QUERY_TIMEOUT: true,
  DB_IDLE_TIMEOUT: true,
  PRISMA_DB_PUSH_ALLOWED: true,
  MIGRATIONS_DIR: true,
  MIGRATIONS_OWNER_COLUMNS: true,
  PORT: true,
  HOST: true,
  ADMIN_API_TOKEN: true,
  READINESS_REFRESH_MS: true,
  READINESS_TIMEOUT_MS: true,
  READINESS_DETAILS: true,
  READINESS_GATES: true,
  BACKUP_ENABLED: true,
  BACKUP_RETENTION_DAYS: true,
  BACKUP_RETENTION_WEEKS: true,
  BACKUP_RETENTION_MONTHS: true,
  BACKUP_TIMEZONE: true,
  LAST_BACKUP_RESTORE_TEST_DATE: true,
  BACKUP_RESTORE_TEST_MAX_AGE_DAYS: true,
  BACKUP_DIR: true,
  BACKUP_COMPRESSION: true,
} as const satisfies Record<keyof EnvironmentVariables, true>;

export type SettingName = keyof typeof NAMES;

export const SETTING_NAMES: readonly SettingName[] = Object.keys(NAMES).filter(isSettingName);

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(NAMES, name);
}

/** Settings whose values are never shown, not even when they are wrong. */
export const SECRET_SETTINGS: ReadonlySet<SettingName> = new Set<SettingName>([
  'DATABASE_URL',
  'DATABASE_URL_PROD',
  'DATABASE_READ_REPLICA_URL',
  'ADMIN_API_TOKEN',
]);
