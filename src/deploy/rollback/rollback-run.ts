import path from 'node:path';
import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import type { NewEntry, Recording } from '../../audit-log/audit-log.types.js';
import { errorCode, PgkeepError } from '../../core/errors.js';
import { backupBeforeDeploy, backUpFirst, recordAction } from '../back-up-and-record.js';
import { DeployConnection } from '../deploy-connection.js';
import type { RollbackNeeds } from '../deploy-dependencies.js';
import { takeDeployLock } from '../deploy-lock.js';
import { isSessionLost } from '../deploy/failed-state.js';
import { DeployDrift } from '../record-structure.js';
import { rollbackRefused } from '../refusals.js';
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
import { type DownOutcome, runDown, SESSION_NAME } from './run-down.js';

/** One rollback, from the history check to the record. */
export class RollbackRun {
  private readonly connection: DeployConnection;
  private readonly signal: AbortSignal;
  private readonly actor: string;
  private readonly lose: readonly string[];
  private readonly drift: DeployDrift;
  private readonly tell: (line: string) => void;

  constructor(
    private readonly needs: RollbackNeeds,
    private readonly options: RollbackOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.connection = new DeployConnection(needs, this.signal, {
      applicationName: SESSION_NAME,
      ifInterrupted: 'nothing was taken back',
    });
    this.actor = options.actor ?? operator();
    this.lose = options.lose ?? [];
    this.drift = new DeployDrift(needs.drift, 'rollback');
    this.tell = options.onStep ?? (() => undefined);
  }

  /** @throws PgkeepError `ROLLBACK_REFUSED`, or a `DATABASE_…` code. */
  async plan(): Promise<RollbackPlan> {
    return await this.connection.use('plan a rollback of', async (client) => (await this.draft(client)).plan);
  }

  /** @throws PgkeepError `ROLLBACK_REFUSED`, `ROLLBACK_FAILED`, `INTERRUPTED`, a code of the backup's, or `DATABASE_…`. */
  async rollback(): Promise<RollbackReport> {
    const startedAt = this.now();
    if (this.options.withoutBackup === true && this.needs.settings.environment === 'production') {
      throw rollbackRefused(
        'in production nothing is taken back without a backup',
        'Leave out --without-backup; the backup is made before anything is taken back.',
      );
    }
    return await this.connection.use('roll back a migration of', async (client) => {
      const { timeouts } = this.needs;
      await takeDeployLock(client, {
        timeouts,
        wait: this.options.wait === true,
        signal: this.signal,
        onWait: this.tell,
        refuse: rollbackRefused,
        again: 'pgkeep migrate rollback --wait',
      });
      const draft = await this.draft(client);
      requireNamed(draft.plan);
      requireConfirmed(draft.plan, this.options);
      const report = await this.perform(client, draft);
      return { ...report, durationMs: Math.round(this.now() - startedAt) };
    });
  }

  private async draft(client: Client): Promise<RollbackDraft> {
    const draft = await draftRollback(client, this.needs, this.options);
    const notes = [...draft.plan.notes, ...(await this.drift.look(client))];
    return { ...draft, plan: { ...draft.plan, notes } };
  }

  private async perform(client: Client, draft: RollbackDraft): Promise<Omit<RollbackReport, 'durationMs'>> {
    const { plan } = draft;
    const { database, environment, migration } = plan;
    const backup = await this.backUp(migration);
    const losses = await this.measureAgain(client, draft);
    const before = await countRows(client, this.needs);
    const outcome = await runDown(draft, {
      ...this.needs,
      signal: this.signal,
      onStep: this.tell,
      lose: this.lose,
    });
    const note = await this.judge(outcome, draft, backup);
    // It may have taken long enough for the first connection to be gone.
    const { after, structure } = await this.connection.use('count the rows of', async (fresh) => ({
      after: await countRows(fresh, this.needs),
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

  private async backUp(migration: string): Promise<string | null> {
    if (this.options.withoutBackup === true) return null;
    this.tell('Backing up');
    const { actor, signal, options } = this;
    return await backUpFirst(this.needs, {
      actor,
      signal,
      onProgress: options.onBackupProgress,
      origin: await backupBeforeDeploy(this.needs, migration),
      otherwise: 'Nothing was taken back',
    });
  }

  /** A backup may have taken an hour, in which an empty column was filled. */
  private async measureAgain(client: Client, { plan, losses }: RollbackDraft): Promise<MeasuredLoss[]> {
    const { settings, timeouts } = this.needs;
    const measured = await measureLosses(client, losses, timeouts);
    const { schema } = settings.database.url;
    requireNamed({ ...plan, losses: measured, notNamed: notNamed(measured, this.lose, schema) });
    return measured;
  }

  /**
   * Whatever the session said: the history decides, asked on a connection of its own.
   * @returns what is to be noted of one that is done.
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
        ? ['the connection was lost while it was committed; the history says that it is done']
        : [];
    }
    if (!failed) {
      throw new PgkeepError(
        'ROLLBACK_FAILED',
        `PostgreSQL says that the rollback is committed, and _prisma_migrations has ${migration} as applied.`,
        { hint: 'Somebody applied it again meanwhile: see `pgkeep migrate status`.' },
      );
    }
    if (failed.error instanceof PgkeepError && failed.error.kind === 'refused') throw failed.error;
    await this.record({
      outcome: this.signal.aborted ? 'interrupted' : 'failed',
      migration,
      code: errorCode(failed.error) ?? null,
      backup,
    });
    const { timeouts } = this.needs;
    const isStillRunning =
      isSessionLost(failed.error) &&
      (await this.connection
        .use('look at', (client) => isRunning(client, failed.backendPid, timeouts, SESSION_NAME))
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
        namesToType(plan.losses, this.lose, this.needs.settings.database.url.schema),
      ),
    });
  }

  private async record(details: NewEntry['details']): Promise<Recording> {
    return await recordAction(this.needs, { action: 'rollback', details, actor: this.actor });
  }

  private now(): number {
    return this.needs.clock.monotonicMs();
  }
}
