import path from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { OptionValues } from 'commander';
import { readEmbeddedLocation, STATE_DIRECTORY } from '../cluster/embedded-location.js';
import { wantsEmbedded } from '../config/database-settings.js';
import { loadEnvironment, withDefaults } from '../config/process-environment.js';
import { readSettings, type Environment } from '../config/read-settings.js';
import type { Settings } from '../config/settings.js';
import { unknownSettings } from '../config/unknown-settings.js';
import { withPrismaProject } from '../migrations/prisma-config/with-prisma-project.js';
import { StderrLogger } from '../core/logger.js';
import { PgkeepModule } from '../pgkeep.module.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { explain, explainAsJson } from './explain.js';
import type { Terminal } from './terminal.js';
import type { Verb } from './verb.js';

/** The options that every verb takes. */
export interface CommonOptions {
  /** Answer with one JSON document. */
  readonly json?: boolean;
  /** Which environment's `.env` file to read. */
  readonly env?: string;
  /** The Prisma configuration to take. */
  readonly config?: string;
}

/** How a verb is run. */
export interface RunOptions extends CommonOptions {
  readonly verb: Pick<Verb, 'databaseIsOptional' | 'prismaProject'>;
  readonly signal: AbortSignal;
}

/** What a verb answers: the object for `--json`, the same for people, and the exit code. */
export interface Answer {
  readonly json: object;
  readonly text: string;
  readonly exitCode?: number;
}

/**
 * Runs one verb: settings, rooms, the verb's one call, its answer; then everything is closed.
 * @returns the exit code.
 */
export async function runVerb(
  terminal: Terminal,
  options: RunOptions,
  run: (rooms: INestApplicationContext) => Promise<Answer>,
): Promise<number> {
  try {
    const environment = verbEnvironment(terminal, options.env);
    const settings = await verbSettings(environment, options);
    const logger = new StderrLogger({ json: false, logLevels: ['error', 'fatal'] });
    const rooms = await NestFactory.createApplicationContext(PgkeepModule.forRoot(settings), {
      logger,
      abortOnError: false,
    });
    try {
      const answer = await run(rooms);
      terminal.out(options.json ? JSON.stringify(answer.json, null, 2) : answer.text);
      return answer.exitCode ?? EXIT.done;
    } finally {
      await rooms.close();
    }
  } catch (error) {
    if (options.json) terminal.out(explainAsJson(error));
    else terminal.err(explain(error));
    return exitCodeOf(error);
  }
}

/** The settings of a verb, with as much of the application's Prisma project as it needs. */
async function verbSettings(environment: Environment, options: RunOptions): Promise<Settings> {
  const { verb, config: configFile, signal } = options;
  const { databaseIsOptional = false, prismaProject } = verb;
  const settings = readSettings(environment, process.cwd(), { databaseIsOptional });
  if (prismaProject === undefined) return settings;
  const directoryOnly = prismaProject === 'directory';
  return await withPrismaProject(settings, environment, { configFile, directoryOnly, signal });
}

/** The environment of a verb; without a database it is the embedded one that `npm start` runs in this directory. */
export function verbEnvironment(terminal: Terminal, environmentName: string | undefined): Environment {
  const { environment, overridden } = loadEnvironment(undefined, undefined, environmentName);
  for (const name of overridden) {
    terminal.err(`Note: ${name} comes from the shell, which wins over .env.${environmentName}.`);
  }
  for (const warning of unknownSettings(environment)) terminal.err(`Note: ${warning}`);
  if (!wantsEmbedded(environment)) return environment;
  const embedded = readEmbeddedLocation(path.resolve(STATE_DIRECTORY));
  if (!embedded) return environment;
  return { ...withDefaults(environment, embedded.settings), DATABASE_URL: embedded.url };
}

/** The same for a verb that asks once more: what is to be noted was noted. */
export function silentEnvironment({ env }: OptionValues): Environment {
  const silent = { out: () => undefined, err: () => undefined };
  return verbEnvironment(silent, typeof env === 'string' ? env : undefined);
}
