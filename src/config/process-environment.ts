import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { errorCode, PgkeepError } from '../core/errors.js';
import type { Environment } from './read-settings.js';
import { type EnvironmentName, ENVIRONMENTS } from './settings.js';

/** The environment of the process, completed from `.env` files. */
export interface LoadedEnvironment {
  readonly environment: Environment;
  /** The names of settings in `.env.ENV` that the shell overrides, to be reported. */
  readonly overridden: readonly string[];
}

/**
 * Returns the environment that settings are read from: the shell's, then `.env.ENV` (if `environmentName` is given),
 * then `.env` of the working directory. The earlier one wins, but `--env` wins over NODE_ENV of the shell.
 * @throws PgkeepError `CONFIG_INVALID` if a file exists and cannot be read, `USAGE_INVALID` for an unknown name.
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

function knownEnvironment(name: string): EnvironmentName {
  const found = ENVIRONMENTS.find((known) => known === name);
  if (found) return found;
  throw new PgkeepError('USAGE_INVALID', `There is no environment "${name}".`, {
    hint: `Use one of ${ENVIRONMENTS.join(', ')}.`,
  });
}

/** Reads the variables in a file; none if it does not exist. @throws PgkeepError `CONFIG_INVALID`. */
export function readEnvironmentFile(file: string): Environment {
  try {
    return parseEnv(readFileSync(file, 'utf8'));
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return {};
    throw new PgkeepError('CONFIG_INVALID', `Cannot read ${file}.`, {
      hint: 'Make it readable for this user, or remove it.',
      cause,
    });
  }
}

function definedOnly(shell: Environment): Environment {
  return Object.fromEntries(Object.entries(shell).filter(([, value]) => value !== undefined));
}

/** Returns the environment with defaults for what it has neither directly nor as `NAME_FILE`. */
export function withDefaults(environment: Environment, defaults: Environment): Environment {
  const missing = Object.entries(defaults).filter(
    ([name]) => !environment[name]?.trim() && !environment[`${name}_FILE`]?.trim(),
  );
  return { ...environment, ...Object.fromEntries(missing) };
}

const AWS_SDK_WARNING = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED';

/**
 * Silences the note that the AWS SDK writes to stderr on Node.js 20. It concerns whoever chooses the version of the
 * SDK, not whoever runs a backup. The SDK documents no other way than this variable; a value that is set stays.
 */
export function silenceAwsSdkWarning(): void {
  process.env[AWS_SDK_WARNING] ??= 'true';
}
