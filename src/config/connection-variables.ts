import { IsCommand, IsDatabaseUrl, IsWholeNumber } from './setting-rules.js';
import { IsOptional } from './validation.js';

/** The settings of connections, as text; see {@link EnvironmentVariables}, which extends this class. */
export class ConnectionVariables {
  /** The guarded database. Outside production pgkeep starts a PostgreSQL of its own where it is unset. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL?: string;

  /** The production database; wins over DATABASE_URL in production. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL_PROD?: string;

  /**
   * The guarded database past its connection pooler, for everything that needs a session of PostgreSQL: deploys,
   * backups, restores, drift, installing. Must lead to the same database. Defaults to DATABASE_URL.
   */
  @IsOptional()
  @IsDatabaseUrl()
  DIRECT_URL?: string;

  /** Alias of DIRECT_URL. */
  @IsOptional()
  @IsDatabaseUrl()
  DIRECT_DATABASE_URL?: string;

  /** Alias of DIRECT_URL. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_URL_UNPOOLED?: string;

  /**
   * A program that prints the password of the database URLs, for those that hold none: words between spaces, or a JSON
   * array of strings. No shell reads it. PGHOST, PGPORT, PGUSER and PGDATABASE tell it which connection. No default.
   */
  @IsOptional()
  @IsCommand()
  DATABASE_PASSWORD_COMMAND?: string;

  /** How long a password of that program is used again, in seconds; a refused one is not. Defaults to 600. */
  @IsOptional()
  @IsWholeNumber({ unit: 'seconds', max: 86_400 })
  DATABASE_PASSWORD_MAX_AGE?: string;

  /** A streaming replica of the guarded database: statistics are read there. */
  @IsOptional()
  @IsDatabaseUrl()
  DATABASE_READ_REPLICA_URL?: string;

  /** A server for restore tests, never the guarded database. Unset: a throw-away PostgreSQL of this machine's. */
  @IsOptional()
  @IsDatabaseUrl()
  TEST_DATABASE_URL?: string;

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
}
