import type { RoleValue } from './access-settings.js';
import type { AlertVariables } from './alert-settings.js';
import type {
  ArchiveVariables,
  EncryptionVariables,
  RestoreVariables,
  RetentionVariables,
} from './backup-settings.js';
import type { DashboardVariables } from './dashboard-settings.js';
import type { PoolVariables } from './database-settings.js';
import type { DatabaseUrl } from './database-url.js';
import type { DeployVariables, MigrationVariables } from './migration-settings.js';
import type { MetricsVariables } from './metrics-settings.js';
import type { MonitoringVariables } from './monitoring-settings.js';
import type { PrismaProject } from './prisma-project.js';
import type { PrivacyVariables } from './privacy-settings.js';
import type { HttpVariables, ReadinessVariables } from './service-settings.js';
import type { Values } from './setting.js';

/** The environments a database can serve. The same names stamp the database and are `NODE_ENV`'s values. */
export const ENVIRONMENTS = ['development', 'test', 'staging', 'production'] as const;
export type EnvironmentName = (typeof ENVIRONMENTS)[number];

/** `custom` is pg_dump's own format, which pg_restore takes; `plain` is SQL, gzipped, which psql takes. */
export const ARCHIVE_FORMATS = ['custom', 'plain'] as const;
export type ArchiveFormat = (typeof ARCHIVE_FORMATS)[number];

/**
 * What a failing check does to the verdict: `enforce` makes it not ready, `latch` does so only until this
 * instance was ready once, `warn` never does.
 */
export const GATES = ['enforce', 'latch', 'warn'] as const;
export type Gate = (typeof GATES)[number];

/** What anonymous callers of `/ready` see: everything, codes without texts, or the status alone. */
export const DETAIL_LEVELS = ['always', 'codes', 'never'] as const;
export type DetailLevel = (typeof DETAIL_LEVELS)[number];

/** What an identity may do, from the least to the most. */
export const ROLES = ['viewer', 'operator', 'admin'] as const;
/**
 * `viewer` reads; `operator` also starts backups and restore tests and silences alerts; `admin` also does what concerns
 * personal data and what cannot be undone.
 */
export type Role = (typeof ROLES)[number];

/** What `BACKUP_RETENTION_HOURS` is if it is not set. */
export const DEFAULT_RETENTION_HOURS = 48;

/** Where alerts are sent, how often, and whom to call. */
export type AlertSettings = Values<AlertVariables>;
/** The timeouts of a deploy, and the tables that it must not empty. */
export type DeploySettings = Values<DeployVariables>;
/** How archives are encrypted, and who can decrypt them. */
export type EncryptionSettings = Values<EncryptionVariables>;
/** Where the service listens, and who may use the admin routes. */
export type HttpSettings = Values<HttpVariables>;
/** How the verdict of `/ready` is made and shown. */
export type ReadinessSettings = Values<ReadinessVariables>;
/** From which values on `pgkeep monitor` reports. */
export type MonitoringSettings = Values<MonitoringVariables>;
/** Who may read `/metrics`. */
export type MetricsSettings = Values<MetricsVariables>;
/** Whether there are pages, and at which address. */
export type DashboardSettings = Values<DashboardVariables>;
/** When rows that were marked as deleted are erased. */
export type PrivacySettings = Values<PrivacyVariables>;
/** Where restores are tested, and what they need. */
export type RestoreSettings = Values<RestoreVariables>;

/** The databases, and the connections to them. */
export interface DatabaseSettings extends Values<PoolVariables> {
  /** The guarded database without a pooler: `DIRECT_URL`, or else `pooledUrl`. For everything that needs a session. */
  readonly url: DatabaseUrl;
  /**
   * The guarded database as the application reaches it: `DATABASE_URL`, or `DATABASE_URL_PROD` in production if that is
   * set. It may lead through a pooler. For readiness and statistics.
   */
  readonly pooledUrl: DatabaseUrl;
  /** False only for a verb that needs no database, if none was named: then `url` is not used. */
  readonly isNamed: boolean;
  /** `DATABASE_READ_REPLICA_URL`. */
  readonly replicaUrl: DatabaseUrl | undefined;
  /** The other of `DATABASE_URL` and `DATABASE_URL_PROD`, if both are set: it must be another database. */
  readonly otherEnvironmentUrl: DatabaseUrl | undefined;
  /** The pool's real limit: `maxConnections`, else the URL's `connection_limit`, within 1..100; else 10 (5 in development). */
  readonly poolSize: number;
  /** The names of timeouts that are 0: the default is used, and `/ready` fails in production. */
  readonly disabledTimeouts: readonly string[];
  /** `PRISMA_DB_PUSH_ALLOWED`. */
  readonly dbPushAllowed: boolean;
}

/** How backups are made and kept, and what `backupConfig` checks. */
export interface BackupSettings extends Values<ArchiveVariables>, Values<RetentionVariables> {
  readonly encryption: EncryptionSettings;
}

/** A bucket of Amazon S3, or of another server with the same protocol. */
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

/** Which JSON Web Tokens the admin routes accept, and what they grant. */
export interface JwtSettings {
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer's public keys are. */
  readonly keySetUrl: string;
  readonly algorithms: readonly string[];
  /** The claim that names the roles. */
  readonly claim: string;
  readonly roles: readonly RoleValue[];
  /** The claim that names the person. */
  readonly nameClaim: string;
}

/** All settings, parsed once, deeply frozen. Each module gets its part. */
export interface Settings extends Values<MigrationVariables> {
  readonly environment: EnvironmentName;
  readonly database: DatabaseSettings;
  /** Whether `MIGRATIONS_DIR` was set; otherwise the Prisma configuration's `migrations.path` wins over the default. */
  readonly migrationsDirectoryIsNamed: boolean;
  /** `not-evaluated` until `withPrismaProject` has completed the settings. */
  readonly prisma: PrismaProject;
  readonly deploy: DeploySettings;
  /** `PATH` of the environment: where PostgreSQL's programs are looked for, after the usual directories. */
  readonly searchPath: string;
  readonly readiness: ReadinessSettings;
  readonly http: HttpSettings;
  /** Undefined accepts no JSON Web Token. */
  readonly jwt: JwtSettings | undefined;
  readonly backup: BackupSettings;
  readonly restore: RestoreSettings;
  readonly privacy: PrivacySettings;
  readonly offsite: OffsiteSettings;
  readonly monitoring: MonitoringSettings;
  readonly dashboard: DashboardSettings;
  readonly alerts: AlertSettings;
  readonly metrics: MetricsSettings;
}

/** Freezes an object and everything in it; dates stay as they are. Returns the same object. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
