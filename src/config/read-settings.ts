import 'reflect-metadata';
import path from 'node:path';
import { KeepError } from '../errors.js';
import { parseDatabaseUrl } from './database-url.js';
import { toDeploySettings } from './deploy-settings.js';
import {
  EnvironmentVariables,
  isSettingName,
  SECRET_SETTINGS,
  SETTING_NAMES,
  type SettingName,
} from './environment-variables.js';
import { archiveContradictions, isTrue, optionalMegabytes, optionalNumber } from './archive-settings.js';
import { toBackupSettings } from './backup-settings.js';
import type { Fault } from './fault.js';
import { parseNetworks } from './networks.js';
import { offsiteContradictions, toOffsiteSettings } from './offsite-settings.js';
import { readinessContradictions, toReadinessSettings } from './readiness-settings.js';
import { readSecretFile } from './secret-file.js';
import { ENVIRONMENTS, type DatabaseSettings, type EnvironmentName, type Settings } from './settings.js';
import { Validator } from './validation.js';

/** An environment, as `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadOptions {
  /** Whether it is no fault that no database is named. Defaults to false. */
  readonly databaseIsOptional?: boolean;
}

/** Stands where a URL has to stand; `isNamed` says that it is none. */
const NO_DATABASE = 'postgresql://localhost/none';

const DEFAULTS = {
  port: 3000,
  restoreTestTimeoutMinutes: 360,
} as const;

/**
 * Reads every setting from an environment (`process.env` of the calling program, or any other record) into
 * one deeply frozen object. Pure but for the `_FILE` secrets it reads; keeps no state between calls.
 * @throws KeepError `CONFIG_INVALID` whose message lists every fault at once, secrets named but never shown.
 */
export function readSettings(
  environment: Environment,
  workingDirectory: string = process.cwd(),
  { databaseIsOptional = false }: ReadOptions = {},
): Settings {
  const { variables, faults } = collectVariables(environment);
  faults.push(...ruleFaults(variables));
  // Contradictions are looked for only among values that are each well formed.
  if (faults.length === 0) faults.push(...contradictions(variables, databaseIsOptional));
  if (faults.length > 0) throw invalid(faults);
  return deepFreeze(toSettings(variables, workingDirectory, environment['PATH'] ?? ''));
}

function collectVariables(environment: Environment): { variables: EnvironmentVariables; faults: Fault[] } {
  const variables = new EnvironmentVariables();
  const faults: Fault[] = [];
  for (const name of SETTING_NAMES) {
    const direct = environment[name]?.trim() || undefined;
    const file = environment[`${name}_FILE`]?.trim() || undefined;
    if (direct !== undefined && file !== undefined) {
      faults.push({ subject: name, problem: `is set twice, directly and by ${name}_FILE: keep one` });
    } else if (file === undefined) {
      variables[name] = direct;
    } else {
      const read = readSecretFile(file);
      if ('problem' in read) faults.push({ subject: `${name}_FILE`, problem: read.problem });
      else variables[name] = read.text || undefined;
    }
  }
  return { variables, faults };
}

function ruleFaults(variables: EnvironmentVariables): Fault[] {
  return new Validator().validateSync(variables).flatMap(({ property, value, constraints = {} }) =>
    Object.values(constraints).map((accepted) => ({
      subject: property,
      problem: `must be ${accepted}${shown(property, value)}`,
    })),
  );
}

function shown(property: string, value: unknown): string {
  if (isSettingName(property) && SECRET_SETTINGS.has(property)) return '';
  return `; it is "${String(value)}"`;
}

function contradictions(variables: EnvironmentVariables, databaseIsOptional: boolean): Fault[] {
  const faults: Fault[] = [];
  const { DATABASE_MAX_CONNECTIONS: max, DB_POOL_MAX: alias } = variables;
  if (max !== undefined && alias !== undefined && Number(max) !== Number(alias)) {
    faults.push({
      subject: 'DB_POOL_MAX',
      problem: `is ${alias}, but DATABASE_MAX_CONNECTIONS, of which it is an alias, is ${max}: keep one`,
    });
  }
  faults.push(...readinessContradictions(variables), ...archiveContradictions(variables));
  if (databaseUrlOf(variables) === undefined && !databaseIsOptional) {
    const names = isProduction(variables) ? 'DATABASE_URL_PROD or DATABASE_URL' : 'DATABASE_URL';
    faults.push({ subject: names, problem: 'must be set: the PostgreSQL URL of the database to guard' });
  }
  faults.push(...offsiteContradictions(variables));
  return faults;
}

function invalid(faults: readonly Fault[]): KeepError {
  const lines = faults.map(({ subject, problem }) => `  ${subject} ${problem}`);
  const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`;
  return new KeepError('CONFIG_INVALID', [`${count} not usable:`, ...lines].join('\n'), {
    hint: 'Every setting is described in .env.example and in the README.',
  });
}

function isProduction(variables: EnvironmentVariables): boolean {
  return variables.NODE_ENV === 'production';
}

function databaseUrlOf(variables: EnvironmentVariables): string | undefined {
  return (isProduction(variables) ? variables.DATABASE_URL_PROD : undefined) ?? variables.DATABASE_URL;
}

function toSettings(variables: EnvironmentVariables, workingDirectory: string, searchPath: string): Settings {
  const environment = ENVIRONMENTS.find((name) => name === variables.NODE_ENV) ?? 'development';
  return {
    environment,
    database: toDatabaseSettings(variables, environment),
    migrationsDirectory: path.resolve(workingDirectory, variables.MIGRATIONS_DIR ?? 'prisma/migrations'),
    ownerColumns: variables.MIGRATIONS_OWNER_COLUMNS?.split(',').map((name) => name.trim()),
    deploy: toDeploySettings(variables),
    searchPath,
    readiness: toReadinessSettings(variables),
    http: {
      port: Number(variables.PORT ?? DEFAULTS.port),
      host: variables.HOST ?? '0.0.0.0',
      adminToken: variables.ADMIN_API_TOKEN,
      trustedProxies: parseNetworks(variables.TRUST_PROXY ?? ''),
    },
    backup: toBackupSettings(variables, workingDirectory),
    restore: {
      testUrl:
        variables.TEST_DATABASE_URL === undefined ? undefined : parseDatabaseUrl(variables.TEST_DATABASE_URL),
      testTimeoutMs:
        Number(variables.RESTORE_TEST_TIMEOUT_MINUTES ?? DEFAULTS.restoreTestTimeoutMinutes) * 60_000,
      requiredFreeBytes: optionalMegabytes(variables.RESTORE_REQUIRED_FREE_MB),
    },
    offsite: toOffsiteSettings(variables),
  };
}

function toDatabaseSettings(variables: EnvironmentVariables, environment: EnvironmentName): DatabaseSettings {
  const named = databaseUrlOf(variables);
  const url = named ?? NO_DATABASE;
  const other = url === variables.DATABASE_URL_PROD ? variables.DATABASE_URL : variables.DATABASE_URL_PROD;
  const replica = variables.DATABASE_READ_REPLICA_URL;
  const maxConnections = optionalNumber(variables.DATABASE_MAX_CONNECTIONS ?? variables.DB_POOL_MAX);
  const inRange = maxConnections !== undefined && maxConnections >= 1 && maxConnections <= 100;
  const timeouts = new Timeouts(variables);
  return {
    url: parseDatabaseUrl(url),
    isNamed: named !== undefined,
    replicaUrl: replica === undefined ? undefined : parseDatabaseUrl(replica),
    otherEnvironmentUrl: other === undefined ? undefined : parseDatabaseUrl(other),
    maxConnections,
    poolSize: inRange ? maxConnections : environment === 'development' ? 5 : 10,
    acquireTimeoutMs: timeouts.read('DB_POOL_CONNECTION_TIMEOUT', 20) * 1000,
    connectTimeoutMs: timeouts.read('DB_CONNECT_TIMEOUT', 10) * 1000,
    queryTimeoutMs: timeouts.read('DB_QUERY_TIMEOUT', 60_000),
    idleTimeoutMs: timeouts.read('DB_IDLE_TIMEOUT', 600_000),
    disabledTimeouts: timeouts.disabled,
    dbPushAllowed: isTrue(variables.PRISMA_DB_PUSH_ALLOWED),
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

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !(value instanceof Date)) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
