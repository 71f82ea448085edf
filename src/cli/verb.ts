import type { INestApplicationContext } from '@nestjs/common';
import type { Command, OptionValues } from 'commander';
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
   * configuration is then evaluated only if `MIGRATIONS_DIR` is not set), or everything.
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
