import { DeployService } from '../../deploy/deploy.service.js';
import { renderDeployment, renderDeployPlan, renderSql } from '../deploy-text.js';
import { EXIT } from '../errors.js';
import { showProgress } from '../progress.js';
import type { Verb } from '../verb.js';

/** `pgkeep migrate deploy`: lints the pending migrations, backs up, applies them with timeouts, verifies, records. */
export const migrateDeployVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .option('--dry-run', 'show the plan and the SQL, and change nothing')
      .option('--wait', 'wait for a running deploy to finish')
      .option('--without-backup', 'skip the backup (not allowed in production)')
      .option('--out-of-order', 'apply a migration although later ones are already applied'),
  shutsDownGracefully: true,
  run: async (app, _parameters, options, signal, terminal) => {
    const deploys = app.get(DeployService);
    const outOfOrder = options['outOfOrder'] === true;
    if (options['dryRun'] === true) {
      const plan = await deploys.plan({ outOfOrder });
      const isRefused = (plan.lint?.counts.error ?? 0) > 0;
      return {
        json: plan,
        text: [renderDeployPlan(plan), renderSql(plan)].filter(Boolean).join('\n').trimEnd(),
        exitCode: isRefused ? EXIT.refused : EXIT.done,
      };
    }
    const progress = showProgress(terminal);
    const report = await deploys
      .deploy({
        outOfOrder,
        wait: options['wait'] === true,
        withoutBackup: options['withoutBackup'] === true,
        signal,
        onPlan: (plan) => {
          if (plan.migrations.length > 0 || plan.notes.length > 0) terminal.err(renderDeployPlan(plan));
        },
        onStep: (line) => {
          terminal.live?.draw('');
          terminal.err(line);
        },
        onBackupProgress: progress.listener,
      })
      .finally(progress.end);
    return { json: report, text: renderDeployment(report) };
  },
};
