import { PgkeepError } from '../../core/errors.js';
import { ResolveService } from '../../deploy/deploy.service.js';
import { EXIT } from '../errors.js';
import { requireGuard } from '../guarded-prisma.js';
import { renderExplanation, renderResolution, renderState } from '../resolve-text.js';
import { silentEnvironment } from '../run-verb.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate resolve`: explains failed, rolled back and unknown migrations, or marks one. */
export const migrateResolveVerb: Verb = {
  prismaProject: 'directory',
  declare: (command) =>
    command
      .option('--rolled-back <migration>', 'none of it is in the database: the next deploy applies it again')
      .option('--applied <migration>', 'all of it is in the database: no deploy applies it again')
      .option('--anyway', 'mark it even if the database contradicts that'),
  shutsDownGracefully: true,
  run: async (app, _parameters, options, signal, terminal) => {
    const resolves = app.get(ResolveService);
    const { rolledBack, applied } = options;
    if (rolledBack !== undefined && applied !== undefined) {
      throw new PgkeepError('USAGE_INVALID', '--rolled-back and --applied exclude each other.', {
        hint: 'Run `pgkeep migrate resolve` without options to see which one fits.',
      });
    }
    const migration: unknown = rolledBack ?? applied;
    if (typeof migration !== 'string') {
      const explanation = await resolves.explain(signal);
      const exitCode = explanation.migrations.length > 0 ? EXIT.failed : EXIT.done;
      return { json: explanation, text: renderExplanation(explanation), exitCode };
    }
    await requireGuard(silentEnvironment(options), ['migrate', 'resolve'], 'pgkeep migrate');
    const report = await resolves.resolve({
      migration,
      mark: applied === undefined ? 'rolled back' : 'applied',
      anyway: options['anyway'] === true,
      signal,
      onState: (state) => terminal.err(`${renderState(state)}\n`),
    });
    return { json: report, text: renderResolution(report) };
  },
};
