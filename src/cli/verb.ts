import type { INestApplicationContext } from '@nestjs/common';
import type { Command, OptionValues } from 'commander';
import type { Answer } from './run-verb.js';
import type { Terminal } from './terminal.js';

/** One verb of the command line: what it takes, the one call it makes, how the answer reads. Its name is in `verbs.ts`. */
export interface Verb {
  /** Adds the verb's own arguments and options. */
  readonly declare: (command: Command) => Command;
  /** Whether Ctrl-C and SIGTERM abort `signal` and leave the cleaning up to the verb; others are simply ended. */
  readonly shutsDownGracefully?: boolean;
  /** Whether it also works where no database is named; others are refused (exit 78). */
  readonly databaseIsOptional?: boolean;
  /**
   * What it needs of the application's Prisma configuration: nothing by default; the migrations' directory, for which
   * the configuration is evaluated only where `MIGRATIONS_DIR` is not set; or all of it.
   */
  readonly prismaProject?: 'directory' | 'all';
  readonly run: (
    app: INestApplicationContext,
    parameters: readonly string[],
    options: OptionValues,
    signal: AbortSignal,
    terminal: Terminal,
  ) => Promise<Answer>;
}
