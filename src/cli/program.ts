import { Command, CommanderError, type OptionValues } from 'commander';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import { EXIT } from './exit-codes.js';
import { endingInOrder } from './ending-in-order.js';
import { backupVerb } from './commands/backup.js';
import { backupExportVerb } from './commands/backup-export.js';
import { backupGlobalsVerb } from './commands/backup-globals.js';
import { backupListVerb } from './commands/backup-list.js';
import { backupPinVerb, backupUnpinVerb } from './commands/backup-pin.js';
import { backupPruneVerb } from './commands/backup-prune.js';
import { backupUploadVerb } from './commands/backup-upload.js';
import { backupVerifyVerb } from './commands/backup-verify.js';
import { changelogVerb } from './commands/changelog.js';
import { installVerb } from './commands/install.js';
import { jobsVerb } from './commands/jobs.js';
import { migrateCreateVerb } from './commands/migrate-create.js';
import { migrateDeployVerb } from './commands/migrate-deploy.js';
import { migrateDriftVerb } from './commands/migrate-drift.js';
import { migrateLintVerb } from './commands/migrate-lint.js';
import { migrateResolveVerb } from './commands/migrate-resolve.js';
import { migrateRollbackVerb } from './commands/migrate-rollback.js';
import { migrateStatusVerb } from './commands/migrate-status.js';
import { pingVerb } from './commands/ping.js';
import { readyVerb } from './commands/ready.js';
import { restoreVerb } from './commands/restore.js';
import { restoreTestVerb } from './commands/restore-test.js';
import { restoreTestsVerb } from './commands/restore-tests.js';
import { stampVerb } from './commands/stamp.js';
import { statsVerb } from './commands/stats.js';
import type { Verb } from './verb.js';
import { runVerb, type CommonOptions } from './run-verb.js';
import type { Terminal } from './terminal.js';

const VERBS: readonly Verb[] = [
  readyVerb,
  statsVerb,
  pingVerb,
  installVerb,
  stampVerb,
  changelogVerb,
  jobsVerb,
];
const BACKUP_VERBS: readonly Verb[] = [
  backupListVerb,
  backupVerifyVerb,
  backupUploadVerb,
  backupPinVerb,
  backupUnpinVerb,
  backupPruneVerb,
  backupGlobalsVerb,
  backupExportVerb,
];
const RESTORE_VERBS: readonly Verb[] = [restoreTestVerb, restoreTestsVerb];
const MIGRATE_VERBS: readonly Verb[] = [
  migrateStatusVerb,
  migrateLintVerb,
  migrateCreateVerb,
  migrateDeployVerb,
  migrateRollbackVerb,
  migrateResolveVerb,
  migrateDriftVerb,
];

/** Starts the service; given by whoever stands above the doors. */
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
    .version(PGKEEP_VERSION, '-V, --version', 'print the version of pgkeep')
    .exitOverride();
  const add = (parent: Command, verb: Verb): Command =>
    verb
      .declare(withVerbOptions(parent.command(verb.name).description(verb.description), verb))
      .action(async (...parsed: unknown[]) => {
        const command = parsed.at(-1);
        if (!(command instanceof Command)) throw new TypeError('commander passes the command last');
        // `backup` has options and verbs below it: commander gives `backup list --json` to the outer one.
        const options: OptionValues = command.optsWithGlobals();
        const run = (signal: AbortSignal) =>
          runVerb(terminal, { ...options, verb, signal }, (rooms) =>
            verb.run(rooms, command.args, options, signal, terminal),
          );
        exitCode = verb.endsInOrder ? await endingInOrder(run) : await run(new AbortController().signal);
      });
  for (const verb of VERBS) add(program, verb);
  const backup = add(program, backupVerb);
  for (const verb of BACKUP_VERBS) add(backup, verb);
  const restore = add(program, restoreVerb);
  for (const verb of RESTORE_VERBS) add(restore, verb);
  const migrate = program
    .command('migrate')
    .description('The guarded application’s migrations.')
    .exitOverride();
  for (const verb of MIGRATE_VERBS) add(migrate, verb);
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
    .action(() => {
      terminal.out(PGKEEP_VERSION);
      exitCode = EXIT.done;
    });
  program
    .command('serve')
    .description('Start the service: /live, /ready, /health, /admin/database/stats.')
    .option('--env <environment>', 'read .env.<environment>, and run as it')
    .action(async ({ env }: { env?: string }) => await serve(env));
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    throw error;
  }
  return exitCode;
}

function withVerbOptions(command: Command, { prismaProject }: Verb): Command {
  const common = withCommonOptions(command);
  if (prismaProject === undefined) return common;
  return common.option(
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
