import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { PrismaConfiguration, PrismaProject } from '../../config/prisma-project.js';
import type { Environment } from '../../config/read-settings.js';
import { deepFreeze, type Settings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { evaluatePrismaConfig } from './evaluate-prisma-config.js';
import { nearestPrismaConfig, prismaConfigIn } from './find-prisma.js';

/** How much of a Prisma project a caller needs to know. */
export interface ProjectOptions {
  /** The configuration file, as Prisma's own `--config`. Defaults to where Prisma looks for one. */
  readonly configFile?: string | undefined;
  /** Only the migrations directory is needed: nothing is evaluated where `MIGRATIONS_DIR` is set. Defaults to false. */
  readonly directoryOnly?: boolean;
  /** A configuration that cannot be loaded makes the project `invalid`, also without `MIGRATIONS_DIR`. Defaults to false. */
  readonly isOptional?: boolean;
  readonly workingDirectory?: string;
  readonly signal?: AbortSignal;
  /** How long a configuration may take. Defaults to 20 seconds. */
  readonly deadlineMs?: number;
}

/**
 * Completes settings from the application's Prisma configuration: migrations directory, schema, externals.
 * `MIGRATIONS_DIR` wins over the configuration. Runs the application's code, in a separate process.
 * @param environment what the settings were read from
 * @throws PgkeepError `PRISMA_CONFIG_INVALID` or `PRISMA_MISSING` where the migrations directory depends on a
 *   configuration that cannot be loaded; where it does not, the project is `invalid`, with the reason.
 */
export async function withPrismaProject(
  settings: Settings,
  environment: Environment,
  options: ProjectOptions = {},
): Promise<Settings> {
  const { directoryOnly = false, isOptional = false, workingDirectory = process.cwd() } = options;
  const { migrationsDirectoryIsNamed: isNamed } = settings;
  if (isNamed && directoryOnly) return settings;
  const file = configurationOf(settings, options.configFile, workingDirectory);
  if (file === undefined) {
    const directory = isNamed ? settings.migrationsDirectory : defaultDirectory(workingDirectory);
    return completed(settings, { kind: 'no-configuration' }, directory);
  }
  try {
    const evaluation = {
      environment,
      workingDirectory,
      signal: options.signal,
      deadlineMs: options.deadlineMs,
    };
    const configuration = await evaluatePrismaConfig(file, evaluation);
    const directory = isNamed ? settings.migrationsDirectory : directoryOf(configuration, workingDirectory);
    return completed(settings, { kind: 'configured', configuration }, directory);
  } catch (error) {
    if (!(error instanceof PgkeepError) || error.code === 'INTERRUPTED') throw error;
    if (!isNamed && !isOptional) throw needed(error);
    const why = lowerFirst(error.message.replace(/\.(?: Nothing was changed\.)?$/, ''));
    return completed(
      settings,
      { kind: 'invalid', why, hint: error.hint ?? '' },
      settings.migrationsDirectory,
    );
  }
}

/** The configuration that belongs to these settings. @throws PgkeepError `USAGE_INVALID`. */
function configurationOf(
  { migrationsDirectory, migrationsDirectoryIsNamed: isNamed }: Settings,
  named: string | undefined,
  workingDirectory: string,
): string | undefined {
  if (named === undefined) {
    const found = isNamed
      ? nearestPrismaConfig(migrationsDirectory, workingDirectory)
      : prismaConfigIn(workingDirectory);
    return found?.file;
  }
  const file = path.resolve(workingDirectory, named);
  if (statSync(file, { throwIfNoEntry: false })?.isFile() === true) return file;
  throw new PgkeepError('USAGE_INVALID', `There is no Prisma configuration ${file}.`, {
    hint: 'Name the file: `--config path/to/prisma.config.ts`.',
  });
}

/** Where Prisma keeps the migrations: named, or beside the schema. */
function directoryOf({ migrations, schema }: PrismaConfiguration, workingDirectory: string): string {
  if (migrations !== undefined) return migrations;
  if (schema === undefined) return defaultDirectory(workingDirectory);
  const isDirectory = statSync(schema, { throwIfNoEntry: false })?.isDirectory() === true;
  return path.join(isDirectory ? schema : path.dirname(schema), 'migrations');
}

/** Beside a `schema.prisma` in the working directory, else in `prisma/`. */
function defaultDirectory(workingDirectory: string): string {
  const hasSchema = existsSync(path.join(workingDirectory, 'schema.prisma'));
  return path.resolve(workingDirectory, hasSchema ? 'migrations' : 'prisma/migrations');
}

function completed(settings: Settings, prisma: PrismaProject, migrationsDirectory: string): Settings {
  return Object.freeze({ ...settings, prisma: deepFreeze(prisma), migrationsDirectory });
}

function needed(error: PgkeepError): PgkeepError {
  return new PgkeepError(error.code, error.message, {
    hint: `${error.hint ?? ''} Or do without it: MIGRATIONS_DIR=path/to/migrations.`.trim(),
    cause: error,
  });
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
