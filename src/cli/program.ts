import { constants } from 'node:os';
import { Command, CommanderError, type OptionValues } from 'commander';
import { handOverSignals } from '../core/process/early-signals.js';
import { EXIT } from './errors.js';
import type { CommonOptions } from './run-verb.js';
import type { Terminal } from './terminal.js';
import type { Verb } from './verb.js';
import { type VerbEntry, VERBS } from './verbs.js';

/** Starts the service. It is a parameter, because the service is of a higher layer. */
export type Serve = (environmentName?: string) => Promise<void>;

/**
 * Parses a command line and runs its verb.
 * @returns the exit code; undefined when the service was started and keeps running.
 */
export async function runProgram(
  argv: readonly string[],
  terminal: Terminal,
  serve: Serve,
): Promise<number | undefined> {
  let exitCode: number | undefined;
  const program = new Command('pgkeep')
    .description('Keeps a PostgreSQL + Prisma database safe.')
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trimEnd()),
    })
    .option('-V, --version', 'print the version of pgkeep')
    .exitOverride();
  addVerbs(program, VERBS, async (command, verb) => {
    // `backup` has options and verbs below it: commander gives `backup list --json` to the outer one.
    const options: OptionValues = command.optsWithGlobals();
    const { runVerb } = await import('./run-verb.js');
    const run = (signal: AbortSignal) =>
      runVerb(terminal, { ...options, verb, verbOptions: options, signal }, (app) =>
        verb.run(app, command.args, options, signal, terminal),
      );
    exitCode = verb.shutsDownGracefully
      ? await withGracefulShutdown(run)
      : await run(new AbortController().signal);
  });
  // Set after the other verbs: the options behind `prisma` are Prisma's.
  program.enablePositionalOptions();
  withCommonOptions(
    program
      .command('prisma')
      .description('Run the application’s own Prisma, if the guard allows it: pgkeep prisma -- migrate dev.'),
  )
    .argument('<arguments...>', 'the arguments for Prisma')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (line: string[], options: CommonOptions) => {
      const { runPrisma } = await import('./commands/prisma.js');
      exitCode = await runPrisma(terminal, line, options);
    });
  program
    .command('version')
    .description('Print the version of pgkeep.')
    .action(async () => {
      const { PGKEEP_VERSION } = await import('../config/pgkeep-version.js');
      terminal.out(PGKEEP_VERSION);
      exitCode = EXIT.done;
    });
  program
    .command('serve')
    .description('Start the service: /live, /ready, /health, /admin/database/stats.')
    .option('--env <environment>', 'read .env.<environment> and run as that environment')
    .action(async ({ env }: { env?: string }) => await serve(env));
  try {
    await program.parseAsync(withVersionAsVerb(withHelpAsOption(argv)), { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    throw error;
  }
  return exitCode;
}

/**
 * Adds the verbs' names and descriptions below a command. A chosen verb is loaded before its part of the command line
 * is parsed, and adds its arguments and options then.
 */
function addVerbs(
  parent: Command,
  entries: readonly VerbEntry[],
  action: (command: Command, verb: Verb) => Promise<void>,
): void {
  const loaders = new Map<Command, () => Promise<Verb>>();
  for (const { name, description, load, verbs, isHidden = false } of entries) {
    const command = parent.command(name, { hidden: isHidden }).description(description).exitOverride();
    if (load) loaders.set(withCommonOptions(command), load);
    if (verbs) addVerbs(command, verbs, action);
  }
  parent.hook('preSubcommand', async (_parent, command) => {
    const verb = await loaders.get(command)?.();
    if (!verb) return;
    declareVerb(command, verb).action(async () => await action(command, verb));
  });
}

/** Adds a verb's arguments and options to its command. */
export function declareVerb(command: Command, verb: Verb): Command {
  if (verb.prismaProject !== undefined) {
    command.option('--config <file>', 'the Prisma configuration file, if Prisma would not find it by itself');
  }
  return verb.declare(command);
}

/** Turns `help VERB` into `VERB --help`: commander's own help shows a verb before it is loaded, without its options. */
function withHelpAsOption(argv: readonly string[]): readonly string[] {
  const [first = '', second] = argv;
  if (first === 'help') return [...argv.slice(1), '--help'];
  const isGroup = VERBS.some(({ name, verbs }) => name === first && verbs);
  return isGroup && second === 'help' ? [first, ...argv.slice(2), '--help'] : argv;
}

function withVersionAsVerb(argv: readonly string[]): readonly string[] {
  return ['--version', '-V'].includes(argv[0] ?? '') ? ['version'] : argv;
}

/** Adds the options that every verb takes. */
function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'print one JSON document to stdout')
    .option(
      '--env <environment>',
      'read .env.<environment> and run as that environment: production, staging, development or test',
    )
    .showHelpAfterError('(run it with --help to see its options)')
    .exitOverride();
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs work that cleans up after itself: the first signal aborts it, a second one ends the process immediately.
 * @returns the work's exit code, or that of the signal (128 and its number).
 */
async function withGracefulShutdown(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let received: (typeof SIGNALS)[number] | undefined;
  const handlers = SIGNALS.map((name) => ({
    name,
    handle: () => {
      if (received !== undefined) process.exit(signalExitCode(name));
      received = name;
      abort.abort();
    },
  }));
  handOverSignals();
  for (const { name, handle } of handlers) process.on(name, handle);
  try {
    const exitCode = await work(abort.signal);
    if (received === undefined) return exitCode;
    // A pending request to a server that hangs would otherwise keep the process alive.
    return process.exit(signalExitCode(received));
  } finally {
    for (const { name, handle } of handlers) process.off(name, handle);
  }
}

function signalExitCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal];
}
