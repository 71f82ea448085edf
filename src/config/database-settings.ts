import { parseDatabaseUrl, type DatabaseUrl } from './database-url.js';
import { GuardVariables } from './migration-settings.js';
import { parseCommand, type PasswordSource } from './password-source.js';
import type { Environment } from './read-settings.js';
import type { Fault } from './secret-file.js';
import { declarationsOf, namesOf, Setting, type Follow } from './setting.js';
import { parseSeconds } from './setting-parsers.js';
import { IsCommand, IsDatabaseUrl, IsWholeNumber } from './setting-rules.js';
import type { SettingsReader } from './settings-reader.js';
import type { DatabaseSettings, EnvironmentName } from './settings.js';

/** The databases, and where their passwords come from. */
export class DatabaseVariables {
  @Setting('DATABASE_URL', {
    text: 'the database to protect. `sslmode` and the other parameters have libpq’s meaning: `require` encrypts, `verify-full` also verifies the server (`sslrootcert` names the authority). Unix sockets, `host=a,b` and `target_session_attrs` work',
    defaultText: 'a private PostgreSQL in `.pgkeep/`, except in production',
    example: 'postgresql://user:password@host:5432/database?sslmode=verify-full',
    secret: true,
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly url: DatabaseUrl | undefined;

  @Setting('DATABASE_URL_PROD', {
    text: 'wins over `DATABASE_URL` in production; in other environments it is only compared with it',
    example: 'postgresql://user:password@host:5432/database?sslmode=verify-full',
    secret: true,
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly productionUrl: DatabaseUrl | undefined;

  @Setting('DIRECT_URL', {
    text: 'the same database without its connection pooler (PgBouncer, Neon, Supabase …), for operations that need a session: deploys, backups, restores, drift, installing. Another database is refused. See [connections](connections.md)',
    defaultText: '`DATABASE_URL`',
    example: 'postgresql://user:password@direct-host:5432/database?sslmode=verify-full',
    aliases: ['DIRECT_DATABASE_URL', 'DATABASE_URL_UNPOOLED'],
    secret: true,
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly directUrl: DatabaseUrl | undefined;

  @Setting('DATABASE_READ_REPLICA_URL', {
    text: 'a replica from which statistics are read, and the reads of `$replica()` in the application’s client',
    example: 'postgresql://user:password@replica:5432/database?sslmode=verify-full',
    secret: true,
    parse: parseDatabaseUrl,
    fromFile: urlFromFile,
  })
  @IsDatabaseUrl()
  readonly replicaUrl: DatabaseUrl | undefined;

  @Setting('DATABASE_PASSWORD_COMMAND', {
    text: 'a command that prints the password for URLs without one, such as a cloud’s token that expires: words separated by spaces, or a JSON array; no shell reads it, and what it prints is not logged',
    example:
      '["aws","rds","generate-db-auth-token","--hostname","db.example.com","--port","5432","--username","pgkeep"]',
    secret: true,
    parse: parseCommand,
  })
  @IsCommand()
  readonly passwordCommand: readonly string[] | undefined;

  @Setting('DATABASE_PASSWORD_MAX_AGE', {
    text: 'how long such a password is reused; one that the server refuses is not',
    default: '600',
    unit: 'seconds',
    parse: parseSeconds,
  })
  @IsWholeNumber({ max: 86_400 })
  readonly passwordMaxAgeMs: number;
}

/** The size of the pool if none is set, or one that is out of range. */
const DEFAULT_POOL_SIZE = { development: 5, elsewhere: 10 } as const;

/** The size and the timeouts of the connection pool. */
export class PoolVariables {
  /** The value as given; undefined if it was not, which fails `/ready` in production. */
  @Setting('DATABASE_MAX_CONNECTIONS', {
    text: 'size of the connection pool; production requires it: 1 to 100, and fewer than the server accepts',
    defaultText: `\`connection_limit\` of the URL, or ${DEFAULT_POOL_SIZE.elsewhere}; ${DEFAULT_POOL_SIZE.development} in development`,
    example: '20',
    unit: 'connections',
    aliases: ['DB_POOL_MAX'],
    parse: Number,
  })
  @IsWholeNumber()
  readonly maxConnections: number | undefined;

  /** How long to wait for a free connection of the pool. */
  @Setting('DB_POOL_CONNECTION_TIMEOUT', {
    text: 'how long to wait for a free pooled connection; `pool_timeout` of the URL counts where this is not set',
    default: '20',
    unit: 'seconds',
    zeroIsDefault: true,
    parse: parseSeconds,
  })
  @IsWholeNumber({ max: 3600 })
  readonly acquireTimeoutMs: number;

  /** How long to wait for a new connection. */
  @Setting('DB_CONNECT_TIMEOUT', {
    text: 'how long to wait for a new connection',
    default: '10',
    unit: 'seconds',
    zeroIsDefault: true,
    parse: parseSeconds,
  })
  @IsWholeNumber({ max: 3600 })
  readonly connectTimeoutMs: number;

  /** `statement_timeout` of every pooled connection. */
  @Setting('DB_QUERY_TIMEOUT', {
    text: '`statement_timeout` of pooled reads, and of the application’s connections ([client](client.md))',
    default: '60000',
    unit: 'milliseconds',
    zeroIsDefault: true,
    parse: Number,
  })
  @IsWholeNumber({ max: 2_147_483_647 })
  readonly queryTimeoutMs: number;

  /** An idle pooled connection is closed after this time. */
  @Setting('DB_IDLE_TIMEOUT', {
    text: 'when an idle pooled connection is closed',
    default: '600000',
    unit: 'milliseconds',
    zeroIsDefault: true,
    parse: Number,
  })
  @IsWholeNumber({ max: 2_147_483_647 })
  readonly idleTimeoutMs: number;
}

/** Stands where a URL is required; `isNamed` is false then. */
const NO_DATABASE = 'postgresql://localhost/none';

/** Returns the settings of the databases and of connections to them. */
export function toDatabaseSettings(
  reader: SettingsReader,
  urls: DatabaseVariables,
  environmentName: EnvironmentName,
  environment: Environment,
): DatabaseSettings {
  const passwordSource = passwordSourceOf(urls, environment);
  const withSource = (url: DatabaseUrl | undefined) => url && { ...url, passwordSource };
  const setting = databaseSetting(urls, environmentName);
  const other = setting === 'DATABASE_URL_PROD' ? urls.url : urls.productionUrl;
  const pooledUrl = withSource(urlOf(urls, setting)) ?? parseDatabaseUrl(NO_DATABASE);
  const direct = withSource(urls.directUrl);
  const pool = reader.read(PoolVariables);
  const waitIsSet = reader.text('DB_POOL_CONNECTION_TIMEOUT') !== undefined;
  return {
    ...pool,
    // As for a setting, 0 stands for the default.
    acquireTimeoutMs: (!waitIsSet && pooledUrl.poolTimeoutMs) || pool.acquireTimeoutMs,
    url: direct
      ? {
          ...direct,
          // Often only one of the two URLs has Prisma's parameter.
          schema: /[?&]schema=/.test(reader.text('DIRECT_URL') ?? '') ? direct.schema : pooledUrl.schema,
          sameAs: { url: pooledUrl, setting: setting ?? 'DATABASE_URL', database: direct.database },
        }
      : pooledUrl,
    pooledUrl,
    isNamed: setting !== undefined,
    replicaUrl: withSource(urls.replicaUrl),
    otherEnvironmentUrl: setting && withSource(other),
    poolSize: poolSize([pool.maxConnections, pooledUrl.connectionLimit], environmentName),
    disabledTimeouts: reader.zeroes(PoolVariables),
    dbPushAllowed: reader.read(GuardVariables).dbPushAllowed,
  };
}

/** Returns the first size that is in range: the setting's, then that of the URL; or else the environment's default. */
function poolSize(sizes: readonly (number | undefined)[], environmentName: EnvironmentName): number {
  const inRange = sizes.find((size) => size !== undefined && size >= 1 && size <= 100);
  const { development, elsewhere } = DEFAULT_POOL_SIZE;
  return inRange ?? (environmentName === 'development' ? development : elsewhere);
}

/** Returns what is missing among the URLs, or makes no sense together. */
export function databaseFaults(
  urls: DatabaseVariables,
  environmentName: EnvironmentName,
  databaseIsOptional: boolean,
): Fault[] {
  const setting = databaseSetting(urls, environmentName);
  const faults: Fault[] = [];
  if (setting === undefined && !(databaseIsOptional && urls.directUrl === undefined)) {
    const names = environmentName === 'production' ? 'DATABASE_URL_PROD or DATABASE_URL' : 'DATABASE_URL';
    faults.push({ subject: names, problem: 'must be set: the PostgreSQL URL of the database to protect' });
  }
  if (urls.passwordCommand && urlOf(urls, setting)?.password !== undefined) {
    faults.push({
      subject: 'DATABASE_PASSWORD_COMMAND',
      problem: `is set, but ${setting} holds a password: keep one`,
    });
  }
  return faults;
}

/** The embedded database is used if none of these is set. */
const EMBEDDED_UNLESS: ReadonlySet<string> = new Set<keyof DatabaseVariables>(['url', 'directUrl']);

/** Returns whether no database is named, outside production: then the embedded one is used. */
export function wantsEmbedded(environment: Environment): boolean {
  const declared = declarationsOf(DatabaseVariables).filter(({ property }) => EMBEDDED_UNLESS.has(property));
  const names = declared
    .flatMap((declaration) => namesOf(declaration))
    .flatMap((name) => [name, `${name}_FILE`]);
  return environment['NODE_ENV'] !== 'production' && names.every((name) => !environment[name]?.trim());
}

type DatabaseSetting = 'DATABASE_URL' | 'DATABASE_URL_PROD';

function databaseSetting(
  urls: DatabaseVariables,
  environmentName: EnvironmentName,
): DatabaseSetting | undefined {
  if (environmentName === 'production' && urls.productionUrl) return 'DATABASE_URL_PROD';
  return urls.url ? 'DATABASE_URL' : undefined;
}

function urlOf(urls: DatabaseVariables, setting: DatabaseSetting | undefined): DatabaseUrl | undefined {
  if (setting === undefined) return undefined;
  return setting === 'DATABASE_URL' ? urls.url : urls.productionUrl;
}

function passwordSourceOf(
  { passwordCommand: argv, passwordMaxAgeMs: maxAgeMs }: DatabaseVariables,
  environment: Environment,
): PasswordSource | undefined {
  return argv && { kind: 'command', argv, maxAgeMs, environment: () => environment };
}

/** Returns a URL that remembers its file, which each new connection reads again. */
export function urlFromFile(text: string, setting: string, follow: Follow): DatabaseUrl {
  const first = parseDatabaseUrl(text);
  const value = follow((replaced) => sameDatabase(parseDatabaseUrl(replaced), first));
  return { ...first, source: { ...value, setting, hosts: first.hosts } };
}

/** Records, backups and texts have the name that the program was started with. */
function sameDatabase(url: DatabaseUrl, first: DatabaseUrl): DatabaseUrl {
  if (url.database === first.database && url.schema === first.schema) return url;
  throw new Error('it names another database or schema, which needs a restart');
}
