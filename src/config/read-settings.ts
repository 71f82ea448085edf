import path from 'node:path';
import 'reflect-metadata';
import { PgkeepError } from '../core/errors.js';
import { toBackupSettings } from './backup-settings.js';
import { connectionContradictions, toDatabaseSettings } from './database-settings.js';
import { archiveContradictions, optionalMegabytes } from './encryption-settings.js';
import { toDeploySettings } from './migration-settings.js';
import { parseNetworks } from './networks.js';
import { offsiteContradictions, toOffsiteSettings } from './offsite-settings.js';
import { readinessContradictions, toReadinessSettings } from './readiness-settings.js';
import type { EnvironmentVariables } from './settings-list.js';
import { type Fault, readVariables, type ReadVariables } from './settings-reader.js';
import { deepFreeze, ENVIRONMENTS, type Settings } from './settings.js';

/** An environment, as `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface ReadOptions {
  /** Whether it is no fault that no database is named. Defaults to false. */
  readonly databaseIsOptional?: boolean;
}

const DEFAULTS = {
  port: 3000,
  restoreTestTimeoutMinutes: 360,
} as const;

/**
 * Reads every setting from an environment (`process.env` of the calling program, or any other record) into
 * one deeply frozen object. A secret that a file holds is read from it again whenever it is asked for.
 * @throws PgkeepError `CONFIG_INVALID` whose message lists every fault at once, secrets named but never shown.
 */
export function readSettings(
  environment: Environment,
  workingDirectory: string = process.cwd(),
  { databaseIsOptional = false }: ReadOptions = {},
): Settings {
  const { faults, ...read } = readVariables(environment);
  // Contradictions are looked for only among values that are each well formed.
  if (faults.length === 0) faults.push(...contradictions(read.variables, databaseIsOptional));
  if (faults.length > 0) throw invalid(faults);
  return deepFreeze(toSettings(read, workingDirectory, environment));
}

function contradictions(variables: EnvironmentVariables, databaseIsOptional: boolean): Fault[] {
  return [
    ...connectionContradictions(variables, databaseIsOptional),
    ...readinessContradictions(variables),
    ...archiveContradictions(variables),
    ...offsiteContradictions(variables),
  ];
}

function invalid(faults: readonly Fault[]): PgkeepError {
  const lines = faults.map(({ subject, problem }) => `  ${subject} ${problem}`);
  const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`;
  return new PgkeepError('CONFIG_INVALID', [`${count} not usable:`, ...lines].join('\n'), {
    hint: 'Every setting is described in .env.example and in docs/settings.md.',
  });
}

function toSettings(read: ReadVariables, workingDirectory: string, given: Environment): Settings {
  const { variables } = read;
  const adminToken = read.secret('ADMIN_API_TOKEN', (text) => text);
  const environment = ENVIRONMENTS.find((name) => name === variables.NODE_ENV) ?? 'development';
  return {
    environment,
    database: toDatabaseSettings(read, environment, given),
    migrationsDirectory: path.resolve(workingDirectory, variables.MIGRATIONS_DIR ?? 'prisma/migrations'),
    migrationsDirectoryIsNamed: variables.MIGRATIONS_DIR !== undefined,
    prisma: { kind: 'not-evaluated' },
    ownerColumns: variables.MIGRATIONS_OWNER_COLUMNS?.split(',').map((name) => name.trim()),
    deploy: toDeploySettings(variables),
    searchPath: given['PATH'] ?? '',
    readiness: toReadinessSettings(variables),
    http: {
      port: Number(variables.PORT ?? DEFAULTS.port),
      host: variables.HOST ?? '0.0.0.0',
      get adminToken() {
        return adminToken();
      },
      trustedProxies: parseNetworks(variables.TRUST_PROXY ?? ''),
    },
    backup: toBackupSettings(read, workingDirectory),
    restore: {
      testUrl: read.url('TEST_DATABASE_URL'),
      testTimeoutMs:
        Number(variables.RESTORE_TEST_TIMEOUT_MINUTES ?? DEFAULTS.restoreTestTimeoutMinutes) * 60_000,
      requiredFreeBytes: optionalMegabytes(variables.RESTORE_REQUIRED_FREE_MB),
    },
    offsite: toOffsiteSettings(variables),
  };
}
