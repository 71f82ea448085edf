import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import type { NewEntry, Recording } from '../../audit-log/audit-log.types.js';
import { interrupted, PgkeepError } from '../../core/errors.js';
import { boundedList } from '../../core/text.js';
import { type Unenforced, unenforcedText } from '../../postgres/catalogue/unenforced.js';
import { type ApplyOutcome, applyScripts } from '../apply/apply-scripts.js';
import { backUpFirst, DeployDrift, recordAction, requireBackup } from '../back-up-and-record.js';
import { DeployConnection, type DeployDependencies } from '../deploy-connection.js';
import { takeDeployLock } from '../deploy-lock.js';
import { refused, requireTarget } from '../preconditions.js';
import { countProtected, findLostRows, rowsLost } from '../protected-tables.js';
import { compareCounts, countRows } from '../row-counts.js';
import { leftBehind, unenforcedIn } from '../unenforced-objects.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy.types.js';
import { type Draft, draftPlan, requireNoErrors } from './draft-plan.js';
import { explainFailure, failedBeforeStart, stoppedBetween } from './failed-deploy.js';

/** One deploy, from the history check to the record. */
export class DeployRun {
  private readonly connection: DeployConnection;
  private readonly signal: AbortSignal;
  private readonly actor: string;
  private readonly onStep: (line: string) => void;
  private readonly drift: DeployDrift;

  constructor(
    private readonly dependencies: DeployDependencies,
    private readonly options: DeployOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.connection = new DeployConnection(dependencies, this.signal);
    this.actor = options.actor ?? operator();
    this.onStep = options.onStep ?? (() => undefined);
    this.drift = new DeployDrift(dependencies.drift);
  }

  /** @throws PgkeepError `DEPLOY_REFUSED`, `LINT_FAILED`, or a `DATABASE_…` code. */
  async plan(): Promise<DeployPlan> {
    return await this.connection.use('plan a deploy to', async (client) => (await this.draft(client)).plan);
  }

  /** @throws PgkeepError `DEPLOY_REFUSED`, `DEPLOY_FAILED`, `INTERRUPTED`, a code of the backup's, or `DATABASE_…`. */
  async deploy(): Promise<DeployReport> {
    const startedAt = this.now();
    const { environment, database } = this.dependencies.settings;
    requireBackup(this.dependencies.settings, this.options.withoutBackup, 'a deploy to production', refused);
    return await this.connection.use('deploy to', async (client) => {
      const { timeouts } = this.dependencies;
      const { wait = false } = this.options;
      await takeDeployLock(client, { timeouts, wait, signal: this.signal, onWait: this.onStep });
      const draft = await this.draft(client);
      const { plan } = draft;
      this.options.onPlan?.(plan);
      requireNoErrors(plan);
      const report = {
        database: database.url.database,
        environment,
        applied: [],
        backup: null,
        shrunk: [],
        notCounted: [],
        retries: 0,
        found: [],
        unenforced: [],
        notes: plan.notes,
      };
      const done =
        plan.migrations.length === 0
          ? { recorded: false, ...(await this.drift.recordFirst()) }
          : await this.perform(client, draft);
      const policy = await this.dependencies.policy.applyIfDeclared({ actor: this.actor, inDeploy: true });
      return {
        ...report,
        ...done,
        ...(policy && { policy }),
        durationMs: Math.round(this.now() - startedAt),
      };
    });
  }

  private async draft(client: Client): Promise<Draft> {
    const { settings, timeouts } = this.dependencies;
    const notes = await requireTarget(client, settings.environment, timeouts);
    notes.push(...(await this.drift.look(client)));
    return await draftPlan(client, this.dependencies, {
      outOfOrder: this.options.outOfOrder === true,
      notes,
    });
  }

  private async perform(client: Client, draft: Draft) {
    const { actor, signal, onStep, options } = this;
    const backup = await backUpFirst(this.dependencies, {
      ...options,
      actor,
      signal,
      onStep,
      done: 'migrated',
    });
    const { settings, timeouts } = this.dependencies;
    const before = {
      counts: await countRows(client, this.dependencies),
      unenforced: await unenforcedIn(client, timeouts),
    };
    const kept = await countProtected(this.connection, draft.protectedTables, settings.deploy);
    const { retries, found } = await this.apply(draft, before.unenforced, backup);
    const names = draft.plan.migrations.map(({ name }) => name);
    await this.requireApplied(names);
    // The migrations may have taken so long that the first connection was lost.
    const after = await this.connection.use('count the rows of', async (fresh) => ({
      counts: await countRows(fresh, this.dependencies),
      unenforced: await unenforcedIn(fresh, timeouts),
      structure: await this.drift.record(fresh, draft.plan.migrations),
    }));
    const compared = compareCounts(before.counts, after.counts);
    const unenforced = leftBehind(before.unenforced, after.unenforced, draft.parsed);
    const lost = await findLostRows(this.connection, kept, settings.deploy);
    const recording = await this.record({
      outcome: lost.length === 0 ? 'applied' : 'rows-lost',
      migrations: names,
      backup,
      shrunk: compared.shrunk.map((table) => ({ ...table })),
      ...(lost.length > 0 && { lost: lost.map((table) => ({ ...table })) }),
      ...(found.length > 0 && { found: [...found] }),
      ...(unenforced.length > 0 && { unenforced: unenforced.map(unenforcedText) }),
    });
    if (lost.length > 0) {
      const isPlain = settings.backup.format === 'plain';
      throw rowsLost(lost, draft.protectedTables, { applied: names, backup, isPlain });
    }
    const { structure } = after;
    return { ...recording, ...compared, ...structure, applied: names, backup, retries, found, unenforced };
  }

  private async apply(
    draft: Draft,
    unenforced: readonly Unenforced[],
    backup: string | null,
  ): Promise<ApplyOutcome> {
    const { settings, timeouts } = this.dependencies;
    const { url, connectTimeoutMs } = settings.database;
    const { signal, onStep, connection } = this;
    if (signal.aborted) throw interrupted('nothing was migrated');
    const scripts = draft.parsed.flatMap((parsed, index) => {
      const migration = draft.plan.migrations[index];
      return migration ? [{ migration, parsed }] : [];
    });
    const options = { ...settings.deploy, url, timeouts, connectTimeoutMs, signal, onStep };
    let outcome: ApplyOutcome;
    try {
      outcome = await applyScripts(scripts, options);
    } catch (error) {
      throw await this.didNotBegin(
        error,
        scripts.map(({ migration }) => migration.name),
        backup,
      );
    }
    if (!outcome.failed) return outcome;
    const { error, state, applied, details } = await explainFailure(outcome.failed, {
      connection,
      schema: url.schema,
      timeouts,
      draft,
      unenforced,
      backup,
      interrupted: signal.aborted,
    });
    const migrations = draft.plan.migrations.filter(({ name }) => applied.includes(name));
    await this.drift.recordPart(migrations, state === 'partly applied' || state === 'unknown');
    await this.record({
      outcome: signal.aborted ? 'interrupted' : 'failed',
      migrations: [...applied],
      ...details,
      backup,
    });
    throw error;
  }

  /** Checks the result by the history, which is read on a new connection. */
  private async requireApplied(names: readonly string[]): Promise<void> {
    const applied = await this.connection.applied();
    const missing = names.filter((name) => !applied.has(name));
    if (missing.length === 0) return;
    const done = names.filter((name) => applied.has(name));
    if (this.signal.aborted) throw stoppedBetween(interrupted('nothing was migrated'), done, missing);
    throw new PgkeepError(
      'DEPLOY_FAILED',
      `The migrations were applied, but _prisma_migrations does not show ${boundedList(missing)} as finished.`,
      { hint: 'Another session may have changed it: see `pgkeep migrate status`.' },
    );
  }

  /** Explains a deploy that failed before the first script, or between two. */
  private async didNotBegin(
    thrown: unknown,
    names: readonly string[],
    backup: string | null,
  ): Promise<PgkeepError> {
    const applied = await this.connection.applied().catch(() => new Set<string>());
    const done = names.filter((name) => applied.has(name));
    const rest = names.filter((name) => !applied.has(name));
    const error = stoppedBetween(
      this.signal.aborted ? interrupted('nothing was migrated') : failedBeforeStart(thrown),
      done,
      rest,
    );
    const outcome = error.kind === 'refused' ? 'refused' : 'failed';
    await this.record({
      outcome: this.signal.aborted ? 'interrupted' : outcome,
      migrations: done,
      code: error.code,
      backup,
    });
    return error;
  }

  private async record(details: NewEntry['details']): Promise<Recording> {
    return await recordAction(this.dependencies, { action: 'deploy', details, actor: this.actor });
  }

  private now(): number {
    return this.dependencies.clock.monotonicMs();
  }
}
