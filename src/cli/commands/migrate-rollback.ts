import type { OptionValues } from 'commander';
import { PRODUCTION_WORD } from '../../deploy/rollback/losses.js';
import { RollbackService } from '../../deploy/rollback/rollback.service.js';
import type { RollbackOptions, RollbackPlan } from '../../deploy/rollback/rollback.types.js';
import { EXIT } from '../errors.js';
import { showProgress } from '../progress.js';
import { renderRollback, renderRollbackPlan } from '../rollback-text.js';
import { ask, isTerminal } from '../terminal.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate rollback [MIGRATION]`: takes the newest applied migration back by its `down.sql`. */
export const migrateRollbackVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .argument('[migration]', 'must be the newest applied one, which it is by default')
      .option('--dry-run', 'show the plan and the SQL, and do nothing')
      .option(
        '--lose <name>',
        'a table or a column whose rows or values may be lost: public.children, public.parents.phone',
        collect,
        [],
      )
      .option('--confirm <word>', `${PRODUCTION_WORD}: in production, together with --target`)
      .option('--target <database>', 'the name of the database')
      .option('--wait', 'wait for a deploy to end')
      .option('--without-backup', 'make no backup first (not in production)'),
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
        // What was shown, and not what somebody deployed meanwhile.
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

/** On a terminal production is confirmed by typing; elsewhere only the options can. What is refused anyway is not asked. */
async function confirm(
  { isProduction, notNamed, migration, database }: RollbackPlan,
  asked: RollbackOptions,
  signal: AbortSignal,
): Promise<RollbackOptions> {
  if (!isProduction || notNamed.length > 0 || asked.confirm !== undefined || !isTerminal()) return asked;
  const typed = await ask(
    `Type ${PRODUCTION_WORD} to take ${migration} back in database "${database}": `,
    signal,
  );
  return { ...asked, confirm: typed, onTerminal: true };
}
