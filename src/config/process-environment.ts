import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { errorCode, PgkeepError } from '../core/errors.js';
import type { Environment } from './read-settings.js';
import { type EnvironmentName, ENVIRONMENTS } from './settings.js';

/** What the process was started with, and what its `.env` files add. */
export interface LoadedEnvironment {
  readonly environment: Environment;
  /** Settings of `.env.ENV` that the shell overrides, for telling: names only. */
  readonly overridden: readonly string[];
}

/**
 * The environment a program reads its settings from: the shell's, then `.env.ENV` (where `environmentName`
 * is given), then `.env`, of the working directory. A file never overrides what is set already; an
 * environment that was typed (`--env`) wins over NODE_ENV of the shell.
 * @throws PgkeepError `CONFIG_INVALID` when a file exists and cannot be read, `USAGE_INVALID` for an unknown name.
 */
export function loadEnvironment(
  shell: Environment = process.env,
  workingDirectory: string = process.cwd(),
  environmentName?: string,
): LoadedEnvironment {
  const name = environmentName === undefined ? undefined : knownEnvironment(environmentName);
  const specific = name ? readEnvironmentFile(path.join(workingDirectory, `.env.${name}`)) : {};
  const general = readEnvironmentFile(path.join(workingDirectory, '.env'));
  return {
    environment: { ...general, ...specific, ...definedOnly(shell), ...(name && { NODE_ENV: name }) },
    overridden: Object.keys(specific).filter(
      (key) => shell[key] !== undefined && shell[key] !== specific[key],
    ),
  };
}

/** Any of these names a database. */
const DATABASE_NAMES = ['DATABASE_URL', 'DIRECT_URL', 'DIRECT_DATABASE_URL', 'DATABASE_URL_UNPOOLED'];

/** Whether no database is named, outside production: then the embedded one is meant. */
export function wantsEmbedded(environment: Environment): boolean {
  const names = DATABASE_NAMES.flatMap((name) => [name, `${name}_FILE`]);
  return environment['NODE_ENV'] !== 'production' && names.every((name) => !environment[name]?.trim());
}

function knownEnvironment(name: string): EnvironmentName {
  const found = ENVIRONMENTS.find((known) => known === name);
  if (found) return found;
  throw new PgkeepError('USAGE_INVALID', `There is no environment "${name}".`, {
    hint: `Use one of ${ENVIRONMENTS.join(', ')}.`,
  });
}

/** The settings in a file; none where there is no such file. @throws PgkeepError `CONFIG_INVALID`. */
export function readEnvironmentFile(file: string): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return {};
    throw new PgkeepError('CONFIG_INVALID', `Cannot read ${file}.`, {
      hint: 'Make it a file that this user may read, or remove it.',
      cause,
    });
  }
}

function definedOnly(shell: Environment): Environment {
  return Object.fromEntries(Object.entries(shell).filter(([, value]) => value !== undefined));
}

/** The environment, and the settings that it does not have, neither directly nor as `NAME_FILE`. */
export function withDefaults(environment: Environment, defaults: Environment): Environment {
  const missing = Object.entries(defaults).filter(
    ([name]) => !environment[name]?.trim() && !environment[`${name}_FILE`]?.trim(),
  );
  return { ...environment, ...Object.fromEntries(missing) };
}

const NAME = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

/**
 * Silences the note that the AWS SDK writes to stderr on Node.js 20: it is for those who choose the SDK's version,
 * not for those who run a backup. A variable is the only way that the SDK documents; one that is set is respected.
 */
export function silenceAwsSdkWarning(): void {
  process.env[NAME] ??= 'true';
}
