import type { DatabaseUrl } from './database-url.js';

/** The environments a database can serve. The same names stamp the database and are `NODE_ENV`'s values. */
export const ENVIRONMENTS = ['development', 'test', 'staging', 'production'] as const;
export type EnvironmentName = (typeof ENVIRONMENTS)[number];

/** The readiness checks, in the order `/ready` shows them. */
export const CHECK_NAMES = [
  'database',
  'environment',
  'migrations',
  'databaseSafety',
  'backupConfig',
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
  /** The guarded database: `DATABASE_URL`, or `DATABASE_URL_PROD` in production where that is set. */
  readonly url: DatabaseUrl;
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
  /** `READINESS_DETAILS` for anonymous callers. */
  readonly details: DetailLevel;
  /** `READINESS_GATES`, every check named. */
  readonly gates: Readonly<Record<CheckName, Gate>>;
}

/** Where the service listens, and who may ask for statistics. */
export interface HttpSettings {
  readonly port: number;
  readonly host: string;
  /** `ADMIN_API_TOKEN`; undefined closes the admin routes. */
  readonly adminToken: string | undefined;
}

/** How backups are made, and what `backupConfig` judges. */
export interface BackupSettings {
  readonly enabled: boolean;
  /** `BACKUP_RETENTION_DAYS` as given; undefined when it was not. */
  readonly retentionDays: number | undefined;
  /** `BACKUP_RETENTION_WEEKS`. */
  readonly retentionWeeks: number;
  /** `BACKUP_RETENTION_MONTHS`. */
  readonly retentionMonths: number;
  /** `BACKUP_TIMEZONE`: where a day begins. */
  readonly timeZone: string;
  /** `LAST_BACKUP_RESTORE_TEST_DATE`. */
  readonly lastRestoreTest: Date | undefined;
  /** `BACKUP_RESTORE_TEST_MAX_AGE_DAYS`. */
  readonly restoreTestMaxAgeDays: number;
  /** `BACKUP_DIR`, absolute: where backups are kept. */
  readonly directory: string;
  /** `BACKUP_COMPRESSION`, as pg_dump's `--compress` takes it; undefined leaves the choice to pgkeep. */
  readonly compression: string | undefined;
}

/** The environment, parsed once, deeply frozen. A room receives its slice. */
export interface Settings {
  readonly environment: EnvironmentName;
  readonly database: DatabaseSettings;
  /** `MIGRATIONS_DIR`, absolute: the guarded application's migrations. */
  readonly migrationsDirectory: string;
  /** `MIGRATIONS_OWNER_COLUMNS`: columns that name a row's owner; undefined leaves the choice to the lint. */
  readonly ownerColumns: readonly string[] | undefined;
  /** `PATH` of the environment: where PostgreSQL's programs are looked for, after the usual directories. */
  readonly searchPath: string;
  readonly readiness: ReadinessSettings;
  readonly http: HttpSettings;
  readonly backup: BackupSettings;
}
