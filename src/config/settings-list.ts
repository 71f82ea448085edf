import { IsIn, IsOptional, MinLength, ValidateIf } from './validation.js';
import { BackupVariables } from './backup-variables.js';
import { DETAIL_LEVELS, ENVIRONMENTS } from './settings.js';
import {
  IsFlag,
  IsGateList,
  IsListenAddress,
  IsNameList,
  IsNetworkList,
  IsWholeNumber,
} from './setting-rules.js';

/**
 * Every setting this version knows, as text, the way the environment holds it. Each can also come as
 * `NAME_FILE`, a path to a file that holds the value. An empty value counts as unset. The message of each
 * rule completes the sentence "NAME must be …".
 */
export class EnvironmentVariables extends BackupVariables {
  /** Which environment this is. Defaults to development. */
  @IsOptional()
  @IsIn(ENVIRONMENTS, { message: 'development, test, staging or production' })
  NODE_ENV?: string;

  /** Whether `prisma db push` is allowed on staging; production refuses it, and refuses true. Defaults to false. */
  @IsOptional()
  @IsFlag()
  PRISMA_DB_PUSH_ALLOWED?: string;

  /**
   * Lets one refused command of Prisma's through, once the change log has it: `I MEAN IT: COMMAND on DATABASE`, such as
   * `I MEAN IT: migrate reset on clinic`. Typed before it: what stands in a
   * `.env` file does not count. No default.
   */
  PGKEEP_GUARD_OVERRIDE?: string;

  /**
   * The guarded application's migrations. Defaults to `migrations.path` of prisma.config.ts (commands only), else to
   * prisma/migrations below the working directory.
   */
  MIGRATIONS_DIR?: string;

  /** Columns that name a row's owner, comma separated; every new table must have one. Defaults to owner_id,ownerId, asked for less strictly. */
  @IsOptional()
  @IsNameList('columns such as owner_id,tenant_id')
  MIGRATIONS_OWNER_COLUMNS?: string;

  /** Longest wait of a deployed migration for one lock, in milliseconds; then it is tried again, three times. Defaults to 5000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 1, max: 2_147_483_647 })
  MIGRATIONS_LOCK_TIMEOUT?: string;

  /** Longest run of a deployed migration, in milliseconds. Defaults to 900000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 1, max: 2_147_483_647 })
  MIGRATIONS_STATEMENT_TIMEOUT?: string;

  /** Tables whose rows no deploy may take, comma separated, with or without their schema. No default. */
  @IsOptional()
  @IsNameList('tables such as children,billing.Invoice')
  PROTECTED_TABLES?: string;

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

  /** Proxies whose `X-Forwarded-For` counts, comma separated: addresses or networks. Defaults to none. */
  @IsOptional()
  @IsNetworkList()
  TRUST_PROXY?: string;

  /** One evaluation of the checks every so many milliseconds. Defaults to 5000. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 100, max: 3_600_000 })
  READINESS_REFRESH_MS?: string;

  /** Deadline of one evaluation in milliseconds, below READINESS_REFRESH_MS. Defaults to 800, at most half of that period. */
  @IsOptional()
  @IsWholeNumber({ unit: 'milliseconds', min: 50, max: 60_000 })
  READINESS_TIMEOUT_MS?: string;

  /** For how many evaluations in a row an unknown fact keeps its last verdict; 0: for none. Defaults to 3. */
  @IsOptional()
  @IsWholeNumber({ unit: 'evaluations', max: 100 })
  READINESS_FAILURE_THRESHOLD?: string;

  /** What anonymous callers of /ready see: always, codes (no texts), never (status only). Defaults to always. */
  @IsOptional()
  @IsIn(DETAIL_LEVELS, { message: 'always, codes or never' })
  READINESS_DETAILS?: string;

  /** Gates that differ from enforce, such as `backupConfig=latch,environment=warn`. */
  @IsOptional()
  @IsGateList()
  READINESS_GATES?: string;
}

/** Names of all settings, in the order of the class; `satisfies` keeps the two in step. */
const NAMES = {
  NODE_ENV: true,
  DATABASE_URL: true,
  DATABASE_URL_PROD: true,
  DIRECT_URL: true,
  DIRECT_DATABASE_URL: true,
  DATABASE_URL_UNPOOLED: true,
  DATABASE_PASSWORD_COMMAND: true,
  DATABASE_PASSWORD_MAX_AGE: true,
  DATABASE_READ_REPLICA_URL: true,
  TEST_DATABASE_URL: true,
  DATABASE_MAX_CONNECTIONS: true,
  DB_POOL_MAX: true,
  DB_POOL_CONNECTION_TIMEOUT: true,
  DB_CONNECT_TIMEOUT: true,
  DB_QUERY_TIMEOUT: true,
  DB_IDLE_TIMEOUT: true,
  PRISMA_DB_PUSH_ALLOWED: true,
  PGKEEP_GUARD_OVERRIDE: true,
  MIGRATIONS_DIR: true,
  MIGRATIONS_OWNER_COLUMNS: true,
  MIGRATIONS_LOCK_TIMEOUT: true,
  MIGRATIONS_STATEMENT_TIMEOUT: true,
  PROTECTED_TABLES: true,
  PORT: true,
  HOST: true,
  ADMIN_API_TOKEN: true,
  TRUST_PROXY: true,
  READINESS_REFRESH_MS: true,
  READINESS_TIMEOUT_MS: true,
  READINESS_FAILURE_THRESHOLD: true,
  READINESS_DETAILS: true,
  READINESS_GATES: true,
  BACKUP_ENABLED: true,
  BACKUP_SCHEDULE: true,
  RESTORE_TEST_SCHEDULE: true,
  BACKUP_RETENTION_HOURS: true,
  BACKUP_RETENTION_DAYS: true,
  BACKUP_RETENTION_WEEKS: true,
  BACKUP_RETENTION_MONTHS: true,
  BACKUP_TIMEZONE: true,
  LAST_BACKUP_RESTORE_TEST_DATE: true,
  BACKUP_RESTORE_TEST_MAX_AGE_DAYS: true,
  JOB_LEASE_SECONDS: true,
  RESTORE_TEST_TIMEOUT_MINUTES: true,
  RESTORE_REQUIRED_FREE_MB: true,
  BACKUP_DIR: true,
  BACKUP_REQUIRED_FREE_MB: true,
  BACKUP_COMPRESSION: true,
  BACKUP_FORMAT: true,
  BACKUP_ENCRYPTION_ENABLED: true,
  BACKUP_ENCRYPTION_KEY: true,
  BACKUP_ENCRYPTION_IDENTITY: true,
  BACKUP_UPLOAD_ENABLED: true,
  AWS_S3_BACKUP_BUCKET: true,
  BACKUP_S3_BUCKET: true,
  BACKUP_S3_REGION: true,
  BACKUP_S3_ENDPOINT: true,
  GCS_BACKUP_BUCKET: true,
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
  'DIRECT_URL',
  'DIRECT_DATABASE_URL',
  'DATABASE_URL_UNPOOLED',
  'DATABASE_PASSWORD_COMMAND',
  'DATABASE_READ_REPLICA_URL',
  'TEST_DATABASE_URL',
  'ADMIN_API_TOKEN',
  'BACKUP_ENCRYPTION_KEY',
  'BACKUP_ENCRYPTION_IDENTITY',
  // Refused where somebody wrote credentials into it.
  'BACKUP_S3_ENDPOINT',
]);
