import type { INestApplicationContext } from '@nestjs/common';
import type { Command, OptionValues } from 'commander';
import type { Settings } from '../config/settings.js';
import type { PgkeepError } from '../core/errors.js';
import type { Answer } from './run-verb.js';
import type { Terminal } from './terminal.js';

/** A verb of the command line: its arguments and options, its one service call, its answer. Its name is in `verbs.ts`. */
export interface Verb {
  /** Adds the verb's own arguments and options. */
  readonly declare: (command: Command) => Command;
  /** Whether Ctrl-C and SIGTERM abort `signal`, so that the verb can clean up; without it the process just ends. */
  readonly shutsDownGracefully?: boolean;
  /** Whether it also works without a database; other verbs then exit with 78. */
  readonly databaseIsOptional?: boolean;
  /**
   * What it needs from the application's Prisma configuration: nothing (the default), the migrations directory (the
   * configuration is then evaluated only if `MIGRATIONS_DIR` is not set), or everything; `all-if-valid`: a configuration
   * that cannot be loaded is reported in the settings and does not fail the verb.
   */
  readonly prismaProject?: 'directory' | 'all' | 'all-if-valid';
  /** Adapts the settings to the verb's options. */
  readonly settings?: (settings: Settings, options: OptionValues) => Settings;
  /** Answers where the settings are invalid; other verbs exit with 78. */
  readonly invalidSettings?: (error: PgkeepError) => Answer;
  readonly run: (
    app: INestApplicationContext,
    parameters: readonly string[],
    options: OptionValues,
    signal: AbortSignal,
    terminal: Terminal,
  ) => Promise<Answer>;
}
