import type { OptionValues } from 'commander';
import { RollbackService } from '../../deploy/deploy.service.js';
import { PRODUCTION_WORD } from '../../deploy/rollback/losses.js';
import type { RollbackOptions, RollbackPlan } from '../../deploy/rollback/rollback.types.js';
import { renderRollback, renderRollbackPlan } from '../deploy-text.js';
import { EXIT } from '../errors.js';
import { showProgress } from '../progress.js';
import { ask, isTerminal } from '../terminal.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate rollback [MIGRATION]`: rolls back the newest applied migration with its `down.sql`. */
export const migrateRollbackVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .argument('[migration]', 'the newest applied migration (the default)')
      .option('--dry-run', 'show the plan and the SQL, and change nothing')
      .option(
        '--lose <name>',
        'table or column whose rows or values may be lost, such as public.children or public.parents.phone',
        collect,
        [],
      )
      .option('--confirm <word>', `${PRODUCTION_WORD}: in production, together with --target`)
      .option('--target <database>', 'name of the database, as confirmation')
      .option('--wait', 'wait for a running deploy to finish')
      .option('--without-backup', 'skip the backup (not allowed in production)'),
  shutsDownGracefully: true,
  run: async (app, [migration], options, signal, terminal) => {
    const rollbacks = app.get(RollbackService);
    const asked = askedOf(migration, options);
    const plan = await rollbacks.plan(asked);
    if (options['dryRun'] === true) {
      const exitCode = plan.notNamed.length > 0 ? EXIT.refused : EXIT.done;
      return { json: plan, text: renderRollbackPlan(plan).trimEnd(), exitCode };
    }
    terminal.err(renderRollbackPlan(plan));
    const confirmed = await confirm(plan, asked, signal);
    const progress = showProgress(terminal);
    const report = await rollbacks
      .rollback({
        ...confirmed,
        // The migration that was shown, even if another one was deployed in the meantime.
        migration: plan.migration,
        signal,
        onStep: (line) => {
          terminal.live?.draw('');
          terminal.err(line);
        },
        onBackupProgress: progress.listener,
      })
      .finally(progress.end);
    return { json: report, text: renderRollback(report) };
  },
};

function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}

function askedOf(migration: string | undefined, options: OptionValues): RollbackOptions {
  const { lose, confirm: word, target } = options;
  return {
    ...(migration !== undefined && { migration }),
    lose: Array.isArray(lose) ? lose.map(String) : [],
    ...(typeof word === 'string' && { confirm: word }),
    ...(typeof target === 'string' && { target }),
    wait: options['wait'] === true,
    withoutBackup: options['withoutBackup'] === true,
  };
}

/** Asks for the confirmation of a rollback in production on a terminal, unless it is refused anyway. */
async function confirm(
  { isProduction, notNamed, migration, database }: RollbackPlan,
  asked: RollbackOptions,
  signal: AbortSignal,
): Promise<RollbackOptions> {
  if (!isProduction || notNamed.length > 0 || asked.confirm !== undefined || !isTerminal()) return asked;
  const typed = await ask(
    `Type ${PRODUCTION_WORD} to roll back ${migration} in database "${database}": `,
    signal,
  );
  return { ...asked, confirm: typed, onTerminal: true };
}
