import path from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { OptionValues } from 'commander';
import { readEmbeddedLocation, STATE_DIRECTORY } from '../cluster/embedded-location.js';
import { wantsEmbedded } from '../config/database-settings.js';
import { loadEnvironment, withDefaults } from '../config/process-environment.js';
import { type Environment, readSettings } from '../config/read-settings.js';
import { unknownSettings } from '../config/settings-list.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { StderrLogger } from '../core/logger.js';
import { withPrismaProject } from '../migrations/prisma-config/with-prisma-project.js';
import { PgkeepModule } from '../pgkeep.module.js';
import { CHECK_NAMES } from '../readiness/checks.js';
import { EXIT, exitCodeOf, explain, explainAsJson } from './errors.js';
import type { Terminal } from './terminal.js';
import type { Verb } from './verb.js';

/** The options of every verb. */
export interface CommonOptions {
  /** Print one JSON document. */
  readonly json?: boolean;
  /** Which environment's `.env` file to read. */
  readonly env?: string;
  /** The Prisma configuration file to use. */
  readonly config?: string;
}

/** How a verb is run. */
export interface RunOptions extends CommonOptions {
  readonly verb: Pick<Verb, 'databaseIsOptional' | 'prismaProject' | 'settings' | 'invalidSettings'>;
  /** The verb's own options. */
  readonly verbOptions: OptionValues;
  readonly signal: AbortSignal;
}

/** A verb's answer: the object for `--json`, the same as text, and the exit code (0 by default). */
export interface Answer {
  readonly json: object;
  readonly text: string;
  readonly exitCode?: number;
}

/**
 * Runs one verb: reads the settings, opens the application, calls the verb, prints its answer, closes everything.
 * @returns the exit code.
 */
export async function runVerb(
  terminal: Terminal,
  options: RunOptions,
  run: (app: INestApplicationContext) => Promise<Answer>,
): Promise<number> {
  try {
    const environment = verbEnvironment(terminal, options.env);
    const settings = await verbSettings(environment, options);
    if ('answer' in settings) return print(terminal, options, settings.answer);
    const logger = new StderrLogger({ json: false, logLevels: ['error', 'fatal'] });
    const app = await NestFactory.createApplicationContext(PgkeepModule.forRoot(settings), {
      logger,
      abortOnError: false,
    });
    try {
      return print(terminal, options, await run(app));
    } finally {
      await app.close();
    }
  } catch (error) {
    if (options.json) terminal.out(explainAsJson(error));
    else terminal.err(explain(error));
    return exitCodeOf(error);
  }
}

function print(terminal: Terminal, { json = false }: CommonOptions, answer: Answer): number {
  terminal.out(json ? JSON.stringify(answer.json, null, 2) : answer.text);
  return answer.exitCode ?? EXIT.done;
}

/** Returns the settings of a verb, with the part of the application's Prisma project that it needs. */
async function verbSettings(
  environment: Environment,
  options: RunOptions,
): Promise<Settings | { readonly answer: Answer }> {
  const { verb, verbOptions, config: configFile, signal } = options;
  const { databaseIsOptional = false, prismaProject, invalidSettings } = verb;
  try {
    const read = readSettings(environment, process.cwd(), { databaseIsOptional, checks: CHECK_NAMES });
    const settings = verb.settings?.(read, verbOptions) ?? read;
    if (prismaProject === undefined) return settings;
    const directoryOnly = prismaProject === 'directory';
    const isOptional = prismaProject === 'all-if-valid';
    return await withPrismaProject(settings, environment, { configFile, directoryOnly, isOptional, signal });
  } catch (error) {
    const isConfiguration = error instanceof PgkeepError && error.kind === 'configuration';
    if (invalidSettings && isConfiguration) return { answer: invalidSettings(error) };
    throw error;
  }
}

/** Returns the environment of a verb. Without a database setting, the embedded one that `npm start` runs here is used. */
export function verbEnvironment(terminal: Terminal, environmentName: string | undefined): Environment {
  const { environment, overridden } = loadEnvironment(undefined, undefined, environmentName);
  for (const name of overridden) {
    terminal.err(`Note: ${name} is set in the shell, which overrides .env.${environmentName}.`);
  }
  for (const warning of unknownSettings(environment)) terminal.err(`Note: ${warning}`);
  if (!wantsEmbedded(environment)) return environment;
  const embedded = readEmbeddedLocation(path.resolve(STATE_DIRECTORY));
  if (!embedded) return environment;
  return { ...withDefaults(environment, embedded.settings), DATABASE_URL: embedded.url };
}

/** Returns the same without printing the notes again. */
export function silentEnvironment({ env }: OptionValues): Environment {
  const silent = { out: () => undefined, err: () => undefined };
  return verbEnvironment(silent, typeof env === 'string' ? env : undefined);
}
