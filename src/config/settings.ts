import type { DatabaseUrl } from './database-url.js';
import type { EncryptionKey } from './encryption-keys.js';
import type { Network } from './networks.js';
import type { PrismaProject } from './prisma-project.js';

/** The environments a database can serve. The same names stamp the database and are `NODE_ENV`'s values. */
export const ENVIRONMENTS = ['development', 'test', 'staging', 'production'] as const;
export type EnvironmentName = (typeof ENVIRONMENTS)[number];

/** `custom` is pg_dump's own format, which pg_restore takes; `plain` is SQL, gzipped, which psql takes. */
export const ARCHIVE_FORMATS = ['custom', 'plain'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/** The readiness checks, in the order `/ready` shows them. */
export const CHECK_NAMES = [
  'database',
  'environment',
  'migrations',
  'databaseSafety',
  'backupConfig',
  'backups',
] as const;
export type CheckName = (typeof CHECK_NAMES)[number];

/**
 * What a failing check does to the verdict: `enforce` makes it not ready, `latch` does so only until this
 * instance was ready once, `warn` never does.
 */
export const GATES = ['enforce', 'latch', 'warn'] as const;
export type Gate = (typeof GATES)[number];

/** What anonymous callers of `/ready` see: everything, codes without texts, or the status alone. */
export const DETAIL_LEVELS = ['always', 'codes', 'never'] as const;
export type DetailLevel = (typeof DETAIL_LEVELS)[number];

/** Which databases there are and how patient pgkeep is with them. */
export interface DatabaseSettings {
  /** The guarded database past any pooler: `DIRECT_URL`, or else `pooledUrl`. Whatever needs a session uses it. */
  readonly url: DatabaseUrl;
  /**
   * The guarded database as the application reaches it: `DATABASE_URL`, or `DATABASE_URL_PROD` in production where that
   * is set. A pooler may be there: readiness and statistics are asked through it.
   */
  readonly pooledUrl: DatabaseUrl;
  /** False only for a verb that can do without a database, where none was named: then nobody connects to `url`. */
  readonly isNamed: boolean;
  /** `DATABASE_READ_REPLICA_URL`: where statistics are read. */
  readonly replicaUrl: DatabaseUrl | undefined;
  /** The other of `DATABASE_URL` and `DATABASE_URL_PROD`, where both are set: it must be another database. */
  readonly otherEnvironmentUrl: DatabaseUrl | undefined;
  /** `DATABASE_MAX_CONNECTIONS` as it was given; undefined when it was not (which production refuses). */
  readonly maxConnections: number | undefined;
  /** The pool's real limit: `maxConnections` within 1..100, else 10 (5 in development). */
  readonly poolSize: number;
  /** `DB_POOL_CONNECTION_TIMEOUT`, in ms: the longest wait for a free connection of the pool. */
  readonly acquireTimeoutMs: number;
  /** `DB_CONNECT_TIMEOUT`, in ms: the longest wait for a new connection. */
  readonly connectTimeoutMs: number;
  /** `DB_QUERY_TIMEOUT`, in ms: `statement_timeout` of every pooled connection. */
  readonly queryTimeoutMs: number;
  /** `DB_IDLE_TIMEOUT`, in ms: an idle pooled connection is closed after this long. */
  readonly idleTimeoutMs: number;
  /** Timeouts that were set to 0, by setting name. They start with the default; production says no. */
  readonly disabledTimeouts: readonly string[];
  /** `PRISMA_DB_PUSH_ALLOWED`. */
  readonly dbPushAllowed: boolean;
}

/** How the verdict is made and told. */
export interface ReadinessSettings {
  /** `READINESS_REFRESH_MS`: one evaluation every so many ms. */
  readonly refreshMs: number;
  /** `READINESS_TIMEOUT_MS`: deadline of one evaluation, and of a probe that waits for the first. */
  readonly timeoutMs: number;
  /** `READINESS_FAILURE_THRESHOLD`: for how many evaluations in a row an unknown fact keeps its last verdict. */
  readonly failureThreshold: number;
  /** `READINESS_DETAILS` for anonymous callers. */
  readonly details: DetailLevel;
  /** `READINESS_GATES`, every check named. */
  readonly gates: Readonly<Record<CheckName, Gate>>;
}

/** Where the service listens, and who may ask for statistics. */
export interface HttpSettings {
  readonly port: number;
  readonly host: string;
  /** `ADMIN_API_TOKEN`; undefined closes the admin routes. Read again from its file, so ask for it each time. */
  readonly adminToken: string | undefined;
  /** `TRUST_PROXY`: the proxies whose `X-Forwarded-For` counts. */
  readonly trustedProxies: readonly Network[];
}

/** What `BACKUP_RETENTION_HOURS` is where it is not set. */
export const DEFAULT_RETENTION_HOURS = 48;

/** How backups are made, and what `backupConfig` judges. */
export interface BackupSettings {
  readonly enabled: boolean;
  /** `BACKUP_SCHEDULE`, a cron expression; undefined where it is `off`. */
  readonly schedule: string | undefined;
  /** `RESTORE_TEST_SCHEDULE`, the same. */
  readonly restoreTestSchedule: string | undefined;
  /** `BACKUP_RETENTION_HOURS`. */
  readonly retentionHours: number;
  /** `BACKUP_RETENTION_DAYS` as given; undefined when it was not. */
  readonly retentionDays: number | undefined;
  /** `BACKUP_RETENTION_WEEKS`. */
  readonly retentionWeeks: number;
  /** `BACKUP_RETENTION_MONTHS`. */
  readonly retentionMonths: number;
  /** `BACKUP_TIMEZONE`: of the schedules, and where a day begins. */
  readonly timeZone: string;
  /** `LAST_BACKUP_RESTORE_TEST_DATE`. */
  readonly lastRestoreTest: Date | undefined;
  /** `BACKUP_RESTORE_TEST_MAX_AGE_DAYS`. */
  readonly restoreTestMaxAgeDays: number;
  /** `JOB_LEASE_SECONDS`, in ms: a run whose holder is silent for so long is taken over. */
  readonly jobLeaseMs: number;
  /** `BACKUP_DIR`, absolute: where backups are kept. */
  readonly directory: string;
  /** `BACKUP_REQUIRED_FREE_MB`, in bytes; undefined leaves the estimate to pgkeep. */
  readonly requiredFreeBytes: number | undefined;
  /** `BACKUP_FORMAT`. */
  readonly format: ArchiveFormat;
  /** `BACKUP_COMPRESSION`, as pg_dump's `--compress` takes it; undefined leaves the choice to pgkeep. */
  readonly compression: string | undefined;
  readonly encryption: EncryptionSettings;
}

/** How archives are encrypted, and what opens them. */
export interface EncryptionSettings {
  /** `BACKUP_ENCRYPTION_ENABLED`; there is a key where it is true. */
  readonly enabled: boolean;
  /** `BACKUP_ENCRYPTION_KEY`: a passphrase also opens. Read again from its file, as is the identity. */
  readonly key: EncryptionKey | undefined;
  /** `BACKUP_ENCRYPTION_IDENTITY`. */
  readonly identities: readonly string[];
}

/** Where restores are tested, and for how long. */
export interface RestoreSettings {
  /** `TEST_DATABASE_URL`; undefined: a throw-away PostgreSQL of this machine's. */
  readonly testUrl: DatabaseUrl | undefined;
  /** `RESTORE_TEST_TIMEOUT_MINUTES`, in ms. */
  readonly testTimeoutMs: number;
  /** `RESTORE_REQUIRED_FREE_MB`, in bytes; undefined: the size of the database that was backed up. */
  readonly requiredFreeBytes: number | undefined;
}

/** A bucket of Amazon S3, or of another server that speaks its language. */
export interface S3BucketSettings {
  /** `AWS_S3_BACKUP_BUCKET`, or its alias `BACKUP_S3_BUCKET`. */
  readonly bucket: string;
  /** `BACKUP_S3_REGION`; undefined leaves it to `AWS_REGION` and the profile (`us-east-1` with an endpoint). */
  readonly region: string | undefined;
  /** `BACKUP_S3_ENDPOINT`; undefined means Amazon. */
  readonly endpoint: string | undefined;
}

/** A bucket of Google Cloud Storage. */
export interface GcsBucketSettings {
  /** `GCS_BACKUP_BUCKET`. */
  readonly bucket: string;
}

/** Where backups are copied to. */
export interface OffsiteSettings {
  /** `BACKUP_UPLOAD_ENABLED`: without it the buckets are neither written nor read. */
  readonly uploadEnabled: boolean;
  readonly s3: S3BucketSettings | undefined;
  readonly gcs: GcsBucketSettings | undefined;
}

/** How patient a deploy is. */
export interface DeploySettings {
  /** `MIGRATIONS_LOCK_TIMEOUT`, in ms: `lock_timeout` of a migration. */
  readonly lockTimeoutMs: number;
  /** `MIGRATIONS_STATEMENT_TIMEOUT`, in ms: `statement_timeout` of a migration. */
  readonly statementTimeoutMs: number;
  /** `PROTECTED_TABLES`: tables whose rows no migration may take, `schema.table` or `table`, unquoted. */
  readonly protectedTables: readonly string[];
}

/** The environment, parsed once, deeply frozen. A room receives its slice. */
export interface Settings {
  readonly environment: EnvironmentName;
  readonly database: DatabaseSettings;
  /** `MIGRATIONS_DIR`, absolute: the guarded application's migrations. */
  readonly migrationsDirectory: string;
  /** Whether `MIGRATIONS_DIR` was set; otherwise the Prisma configuration's `migrations.path` wins over the default. */
  readonly migrationsDirectoryIsNamed: boolean;
  /** `not-evaluated` until `withPrismaProject` has completed the settings. */
  readonly prisma: PrismaProject;
  /** `MIGRATIONS_OWNER_COLUMNS`: columns that name a row's owner; undefined leaves the choice to the lint. */
  readonly ownerColumns: readonly string[] | undefined;
  readonly deploy: DeploySettings;
  /** `PATH` of the environment: where PostgreSQL's programs are looked for, after the usual directories. */
  readonly searchPath: string;
  readonly readiness: ReadinessSettings;
  readonly http: HttpSettings;
  readonly backup: BackupSettings;
  readonly restore: RestoreSettings;
  readonly offsite: OffsiteSettings;
}

/** Freezes an object and everything in it; dates stay as they are. @returns the same object. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
