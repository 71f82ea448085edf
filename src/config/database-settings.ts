import { type DatabaseUrl, parseDatabaseUrl } from './database-url.js';
import { isTrue, optionalNumber } from './encryption-settings.js';
import { parseCommand, type PasswordSource } from './password-source.js';
import type { Environment } from './read-settings.js';
import type { EnvironmentVariables, SettingName } from './settings-list.js';
import type { Fault, ReadVariables } from './settings-reader.js';
import type { DatabaseSettings, EnvironmentName } from './settings.js';

/** Stands where a URL has to stand; `isNamed` says that it is none. */
const NO_DATABASE = 'postgresql://localhost/none';
/** The setting, then its aliases. */
const DIRECT = ['DIRECT_URL', 'DIRECT_DATABASE_URL', 'DATABASE_URL_UNPOOLED'] as const;
const PASSWORD_MAX_AGE_S = 600;

/** The slice of the settings that says which databases there are, and how patient pgkeep is with them. */
export function toDatabaseSettings(
  read: ReadVariables,
  environmentName: EnvironmentName,
  environment: Environment,
): DatabaseSettings {
  const { variables } = read;
  const passwordSource = passwordSourceOf(variables, environment);
  const url = (name: SettingName | undefined): DatabaseUrl | undefined => {
    const found = name && read.url(name);
    return found && { ...found, passwordSource };
  };
  const setting = databaseSetting(variables);
  const other = setting === 'DATABASE_URL_PROD' ? 'DATABASE_URL' : 'DATABASE_URL_PROD';
  const pooledUrl = url(setting) ?? parseDatabaseUrl(NO_DATABASE);
  const direct = url(directSetting(variables));
  const maxConnections = optionalNumber(variables.DATABASE_MAX_CONNECTIONS ?? variables.DB_POOL_MAX);
  const inRange = maxConnections !== undefined && maxConnections >= 1 && maxConnections <= 100;
  const timeouts = new Timeouts(variables);
  return {
    url: direct
      ? {
          ...direct,
          // Prisma's parameter is often on one of the two alone.
          schema: hasSchema(variables, directSetting(variables)) ? direct.schema : pooledUrl.schema,
          sameAs: { url: pooledUrl, setting: setting ?? 'DATABASE_URL', database: direct.database },
        }
      : pooledUrl,
    pooledUrl,
    isNamed: setting !== undefined,
    replicaUrl: url('DATABASE_READ_REPLICA_URL'),
    otherEnvironmentUrl: setting && url(other),
    maxConnections,
    poolSize: inRange ? maxConnections : environmentName === 'development' ? 5 : 10,
    acquireTimeoutMs: timeouts.read('DB_POOL_CONNECTION_TIMEOUT', 20) * 1000,
    connectTimeoutMs: timeouts.read('DB_CONNECT_TIMEOUT', 10) * 1000,
    queryTimeoutMs: timeouts.read('DB_QUERY_TIMEOUT', 60_000),
    idleTimeoutMs: timeouts.read('DB_IDLE_TIMEOUT', 600_000),
    disabledTimeouts: timeouts.disabled,
    dbPushAllowed: isTrue(variables.PRISMA_DB_PUSH_ALLOWED),
  };
}

/** What is missing or makes no sense together among the settings of connections, each well formed. */
export function connectionContradictions(
  variables: EnvironmentVariables,
  databaseIsOptional: boolean,
): Fault[] {
  const faults: Fault[] = [];
  const { DATABASE_MAX_CONNECTIONS: max, DB_POOL_MAX: alias } = variables;
  if (max !== undefined && alias !== undefined && Number(max) !== Number(alias)) {
    faults.push({
      subject: 'DB_POOL_MAX',
      problem: `is ${alias}, but DATABASE_MAX_CONNECTIONS, of which it is an alias, is ${max}: keep one`,
    });
  }
  const setting = databaseSetting(variables);
  const direct = directSetting(variables);
  for (const name of DIRECT.filter((other) => direct && variables[other] !== undefined)) {
    if (direct && variables[name] !== variables[direct]) {
      faults.push({
        subject: name,
        problem: `is another URL than ${direct}, of which it is an alias: keep one`,
      });
    }
  }
  if (setting === undefined && !(databaseIsOptional && direct === undefined)) {
    const names = variables.NODE_ENV === 'production' ? 'DATABASE_URL_PROD or DATABASE_URL' : 'DATABASE_URL';
    faults.push({ subject: names, problem: 'must be set: the PostgreSQL URL of the database to guard' });
  }
  if (setting && variables.DATABASE_PASSWORD_COMMAND !== undefined) {
    const password = parseDatabaseUrl(variables[setting] ?? NO_DATABASE).password;
    if (password !== undefined) {
      faults.push({
        subject: 'DATABASE_PASSWORD_COMMAND',
        problem: `is set, but ${setting} holds a password: keep one`,
      });
    }
  }
  return faults;
}

function databaseSetting(variables: EnvironmentVariables): 'DATABASE_URL' | 'DATABASE_URL_PROD' | undefined {
  if (variables.NODE_ENV === 'production' && variables.DATABASE_URL_PROD !== undefined) {
    return 'DATABASE_URL_PROD';
  }
  return variables.DATABASE_URL === undefined ? undefined : 'DATABASE_URL';
}

function directSetting(variables: EnvironmentVariables): (typeof DIRECT)[number] | undefined {
  return DIRECT.find((name) => variables[name] !== undefined);
}

function hasSchema(variables: EnvironmentVariables, name: SettingName | undefined): boolean {
  return name !== undefined && /[?&]schema=/.test(variables[name] ?? '');
}

function passwordSourceOf(
  { DATABASE_PASSWORD_COMMAND: command, DATABASE_PASSWORD_MAX_AGE: maxAge }: EnvironmentVariables,
  environment: Environment,
): PasswordSource | undefined {
  if (command === undefined) return undefined;
  return {
    kind: 'command',
    argv: parseCommand(command),
    maxAgeMs: Number(maxAge ?? PASSWORD_MAX_AGE_S) * 1000,
    environment: () => environment,
  };
}

/** Reads timeouts; remembers those set to 0, which mean "wait for ever" and are replaced by their default. */
class Timeouts {
  readonly disabled: SettingName[] = [];

  constructor(private readonly variables: EnvironmentVariables) {}

  read(name: SettingName, fallback: number): number {
    const value = optionalNumber(this.variables[name]);
    if (value === 0) this.disabled.push(name);
    return value || fallback;
  }
}
