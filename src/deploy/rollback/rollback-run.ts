import path from 'node:path';
import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import type { NewEntry, Recording } from '../../audit-log/audit-log.types.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { backUpFirst, DeployDrift, recordAction, requireBackup } from '../back-up-and-record.js';
import { DeployConnection, type DeployDependencies } from '../deploy-connection.js';
import { takeDeployLock } from '../deploy-lock.js';
import { isSessionLost } from '../deploy/failure.js';
import { rollbackRefused } from '../preconditions.js';
import { compareCounts, countRows } from '../row-counts.js';
import { isRunning } from '../sessions.js';
import { draftRollback, type RollbackDraft } from './draft-rollback.js';
import {
  measureLosses,
  namesToType,
  notNamed,
  requireConfirmed,
  requireNamed,
  rollbackCommand,
} from './losses.js';
import { rollbackFailed } from './rollback-failure.js';
import type { MeasuredLoss, RollbackOptions, RollbackPlan, RollbackReport } from './rollback.types.js';
import { type DownOutcome, ROLLBACK_SESSION, runDown } from './run-down.js';

/** One rollback, from the history check to the record. */
export class RollbackRun {
  private readonly connection: DeployConnection;
  private readonly signal: AbortSignal;
  private readonly actor: string;
  private readonly lose: readonly string[];
  private readonly drift: DeployDrift;
  private readonly onStep: (line: string) => void;

  constructor(
    private readonly dependencies: DeployDependencies,
    private readonly options: RollbackOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.connection = new DeployConnection(dependencies, this.signal, {
      applicationName: ROLLBACK_SESSION,
      done: 'rolled back',
    });
    this.actor = options.actor ?? operator();
    this.lose = options.lose ?? [];
    this.drift = new DeployDrift(dependencies.drift, 'rollback');
    this.onStep = options.onStep ?? (() => undefined);
  }

  /** @throws PgkeepError `ROLLBACK_REFUSED`, or a `DATABASE_…` code. */
  async plan(): Promise<RollbackPlan> {
    return await this.connection.use('plan a rollback of', async (client) => (await this.draft(client)).plan);
  }

  /** @throws PgkeepError `ROLLBACK_REFUSED`, `ROLLBACK_FAILED`, `INTERRUPTED`, a code of the backup's, or `DATABASE_…`. */
  async rollback(): Promise<RollbackReport> {
    const startedAt = this.now();
    requireBackup(
      this.dependencies.settings,
      this.options.withoutBackup,
      'a rollback in production',
      rollbackRefused,
    );
    return await this.connection.use('roll back a migration of', async (client) => {
      const { timeouts } = this.dependencies;
      await takeDeployLock(client, {
        timeouts,
        wait: this.options.wait === true,
        signal: this.signal,
        onWait: this.onStep,
        refuse: rollbackRefused,
        again: 'pgkeep migrate rollback --wait',
      });
      const draft = await this.draft(client);
      requireNamed(draft.plan);
      requireConfirmed(draft.plan, this.options);
      const report = await this.perform(client, draft);
      const policy = await this.dependencies.policy.applyIfDeclared({ actor: this.actor, inDeploy: true });
      return { ...report, ...(policy && { policy }), durationMs: Math.round(this.now() - startedAt) };
    });
  }

  private async draft(client: Client): Promise<RollbackDraft> {
    const draft = await draftRollback(client, this.dependencies, this.options);
    const notes = [...draft.plan.notes, ...(await this.drift.look(client))];
    return { ...draft, plan: { ...draft.plan, notes } };
  }

  private async perform(client: Client, draft: RollbackDraft): Promise<Omit<RollbackReport, 'durationMs'>> {
    const { plan } = draft;
    const { database, environment, migration } = plan;
    const { actor, signal, onStep, options } = this;
    const common = { ...options, actor, signal, onStep };
    const backup = await backUpFirst(this.dependencies, {
      ...common,
      done: 'rolled back',
      rolledBack: migration,
    });
    const losses = await this.measureAgain(client, draft);
    const before = await countRows(client, this.dependencies);
    const outcome = await runDown(draft, {
      settings: this.dependencies.settings,
      timeouts: this.dependencies.timeouts,
      signal: this.signal,
      onStep: this.onStep,
      lose: this.lose,
    });
    const note = await this.judge(outcome, draft, backup);
    // The rollback may have taken so long that the first connection was lost.
    const { after, structure } = await this.connection.use('count the rows of', async (fresh) => ({
      after: await countRows(fresh, this.dependencies),
      structure: await this.drift.record(fresh, [draft.down.script]),
    }));
    const compared = compareCounts(before, after);
    const recording = await this.record({
      outcome: 'rolled back',
      migration,
      backup,
      lost: losses.map((loss) => ({ ...loss })),
      shrunk: compared.shrunk.map((table) => ({ ...table })),
    });
    return {
      ...recording,
      ...compared,
      ...structure,
      database,
      environment,
      migration,
      directory: path.dirname(plan.file),
      backup,
      lost: losses,
      retries: outcome.retries,
      notes: [...plan.notes, ...note],
    };
  }

  /** Measures again: during an hour of backup an empty column may have been filled. */
  private async measureAgain(client: Client, { plan, losses }: RollbackDraft): Promise<MeasuredLoss[]> {
    const { settings, timeouts } = this.dependencies;
    const measured = await measureLosses(client, losses, timeouts);
    const { schema } = settings.database.url;
    requireNamed({ ...plan, losses: measured, notNamed: notNamed(measured, this.lose, schema) });
    return measured;
  }

  /**
   * Decides the outcome by the history, which is read on a new connection.
   * @returns notes on a completed rollback.
   */
  private async judge(
    outcome: DownOutcome,
    { plan, down }: RollbackDraft,
    backup: string | null,
  ): Promise<string[]> {
    const { migration } = plan;
    const { failed } = outcome;
    const applied = await this.connection.applied().catch((error: unknown) => {
      if (failed) return undefined;
      throw error;
    });
    const isApplied = applied?.has(migration);
    if (isApplied === false) {
      return failed
        ? ['the connection was lost during the commit; the history shows that the rollback is complete']
        : [];
    }
    if (!failed) {
      throw new PgkeepError(
        'ROLLBACK_FAILED',
        `The rollback was committed, but _prisma_migrations shows ${migration} as applied.`,
        { hint: 'Another session may have applied it again: see `pgkeep migrate status`.' },
      );
    }
    if (failed.error instanceof PgkeepError && failed.error.kind === 'refused') throw failed.error;
    await this.record({
      outcome: this.signal.aborted ? 'interrupted' : 'failed',
      migration,
      code: errorCode(failed.error) ?? null,
      backup,
    });
    const { timeouts } = this.dependencies;
    const isStillRunning =
      isSessionLost(failed.error) &&
      (await this.connection
        .use('look at', (client) => isRunning(client, failed.backendPid, timeouts, ROLLBACK_SESSION))
        .catch(() => false));
    throw rollbackFailed({
      script: failed,
      plan,
      parsed: down.parsed,
      backup,
      isApplied,
      wasCommitting: outcome.wasCommitting,
      isStillRunning,
      interrupted: this.signal.aborted,
      command: rollbackCommand(
        migration,
        namesToType(plan.losses, this.lose, this.dependencies.settings.database.url.schema),
      ),
    });
  }

  private async record(details: NewEntry['details']): Promise<Recording> {
    return await recordAction(this.dependencies, { action: 'rollback', details, actor: this.actor });
  }

  private now(): number {
    return this.dependencies.clock.monotonicMs();
  }
}
