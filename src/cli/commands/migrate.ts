import { PgkeepError } from '../../core/errors.js';
import { DeployService, ResolveService } from '../../deploy/deploy.service.js';
import { DriftService } from '../../drift/drift.service.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import type { MigrationStatus } from '../../migrations/migrations.types.js';
import { renderDeployment, renderDeployPlan, renderSql } from '../deploy-text.js';
import { renderAcceptable, renderAcceptance, renderDrift, renderDriftSql } from '../drift-text.js';
import { EXIT } from '../errors.js';
import { requireGuard } from '../guarded-prisma.js';
import { showProgress } from '../progress.js';
import { renderExplanation, renderResolution, renderState } from '../resolve-text.js';
import { silentEnvironment } from '../run-verb.js';
import type { Verb } from '../verb.js';

const MEANINGS: Record<keyof MigrationStatus, string> = {
  applied: 'applied',
  pending: 'pending: `pgkeep migrate deploy` applies them',
  failed: 'failed: `pgkeep migrate resolve` shows what was applied and the options',
  rolledBack: 'rolled back and not applied since: `pgkeep migrate deploy` applies them again',
  edited:
    'edited after being applied: restore the file, write a new migration, or accept it with `pgkeep migrate lint --accept-edit`',
  unknown: 'applied, but unknown to this build: the database is ahead',
};

const ORDER = ['applied', 'pending', 'failed', 'rolledBack', 'edited', 'unknown'] as const;

/** `pgkeep migrate status`: the database's history against this build's directory. Exit 1 when it is not clean. */
export const migrateStatusVerb: Verb = {
  prismaProject: 'directory',
  declare: (command) => command,
  run: async (app) => {
    const { history, status } = await app.get(MigrationsService).requireStatus();
    const isClean = status.pending.length + status.failed.length + status.rolledBack.length === 0;
    return {
      json: status,
      text: renderStatus(status, history.rows === undefined ? history.table : undefined),
      exitCode: isClean ? EXIT.done : EXIT.failed,
    };
  },
};

function renderStatus(status: MigrationStatus, missingTable: string | undefined): string {
  const sections = ORDER.filter((state) => status[state].length > 0).map((state) =>
    [`${status[state].length} ${MEANINGS[state]}`, ...status[state].map((name) => `  ${name}`)].join('\n'),
  );
  if (missingTable) sections.unshift(`${missingTable} does not exist: the database was never migrated.`);
  return sections.join('\n');
}

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

/** `pgkeep migrate drift [--sql | --accept]`: shows what was changed outside of migrations. Exit 1 on drift, or if it is unknown. */
export const migrateDriftVerb: Verb = {
  prismaProject: 'all',
  declare: (command) =>
    command
      .option('--sql', 'print only the SQL that changes the database to match the Prisma schema')
      .option('--accept', 'record the current structure as the expected one'),
  run: async (app, _parameters, { sql, accept }, _signal, terminal) => {
    const drift = app.get(DriftService);
    if (accept === true) {
      const accepted = await drift.accept({ onShow: (report) => terminal.err(renderAcceptable(report)) });
      return { json: accepted, text: renderAcceptance(accepted) };
    }
    const report = await drift.report();
    // No comparison is not the same as nothing to change.
    const isKnown = sql !== true || (report.prisma !== null && 'files' in report.prisma);
    return {
      json: report,
      text: sql === true ? renderDriftSql(report) : renderDrift(report),
      exitCode: isKnown && report.verdict === 'none' ? EXIT.done : EXIT.failed,
    };
  },
};
