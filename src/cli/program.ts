import { Command, CommanderError, type OptionValues } from 'commander';
import { EXIT } from './errors.js';
import { withGracefulShutdown } from './graceful-shutdown.js';
import type { CommonOptions } from './run-verb.js';
import type { Terminal } from './terminal.js';
import type { Verb } from './verb.js';
import { VERBS, type VerbEntry } from './verbs.js';

/** Starts the service; given by whoever stands above the interfaces. */
export type Serve = (environmentName?: string) => Promise<void>;

/**
 * Parses a command line and runs its verb.
 * @returns the exit code; undefined when the service was started and goes on.
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
      runVerb(terminal, { ...options, verb, signal }, (app) =>
        verb.run(app, command.args, options, signal, terminal),
      );
    exitCode = verb.shutsDownGracefully
      ? await withGracefulShutdown(run)
      : await run(new AbortController().signal);
  });
  // Only from here on: what is behind a verb of Prisma's is Prisma's.
  program.enablePositionalOptions();
  withCommonOptions(
    program
      .command('prisma')
      .description(
        'Run the application’s own Prisma, where the guard lets it: pgkeep prisma -- migrate dev.',
      ),
  )
    .argument('<arguments...>', 'what Prisma is to do')
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
    .option('--env <environment>', 'read .env.<environment>, and run as it')
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
  for (const { name, description, load, verbs } of entries) {
    const command = parent.command(name).description(description).exitOverride();
    if (load) loaders.set(withCommonOptions(command), load);
    if (verbs) addVerbs(command, verbs, action);
  }
  parent.hook('preSubcommand', async (_parent, command) => {
    const verb = await loaders.get(command)?.();
    if (!verb) return;
    if (verb.prismaProject !== undefined) withConfigOption(command);
    verb.declare(command).action(async () => await action(command, verb));
  });
}

/** `help VERB` as `VERB --help`: commander's own shows a verb without loading it, so without its options. */
function withHelpAsOption(argv: readonly string[]): readonly string[] {
  const [first = '', second] = argv;
  if (first === 'help') return [...argv.slice(1), '--help'];
  const isGroup = VERBS.some(({ name, verbs }) => name === first && verbs);
  return isGroup && second === 'help' ? [first, ...argv.slice(2), '--help'] : argv;
}

function withVersionAsVerb(argv: readonly string[]): readonly string[] {
  return ['--version', '-V'].includes(argv[0] ?? '') ? ['version'] : argv;
}

function withConfigOption(command: Command): Command {
  return command.option(
    '--config <file>',
    'the Prisma configuration, where it is not where Prisma looks for it',
  );
}

function withCommonOptions(command: Command): Command {
  return command
    .option('--json', 'answer with one JSON document on stdout')
    .option(
      '--env <environment>',
      'read .env.<environment>, and run as it: production, staging, development or test',
    )
    .showHelpAfterError('(add --help for the verb’s options)')
    .exitOverride();
}
