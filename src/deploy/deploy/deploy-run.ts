import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import type { NewEntry, Recording } from '../../audit-log/audit-log.types.js';
import { boundedList } from '../../core/text.js';
import { interrupted, PgkeepError } from '../../core/errors.js';
import { type Unenforced, unenforcedText } from '../../postgres/catalogue/unenforced.js';
import { type ApplyOutcome, applyScripts } from '../apply/apply-scripts.js';
import { backUpFirst, recordAction } from '../back-up-and-record.js';
import { DeployConnection, NOTHING_MIGRATED } from '../deploy-connection.js';
import type { DeployNeeds } from '../deploy-dependencies.js';
import { takeDeployLock } from '../deploy-lock.js';
import { requireTarget } from '../preconditions.js';
import { countProtected, findLostRows, rowsLost } from '../protected-rows.js';
import { DeployDrift } from '../record-structure.js';
import { refused } from '../refusals.js';
import { compareCounts, countRows } from '../row-counts.js';
import { leftBehind, unenforcedIn } from '../unenforced-objects.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy.types.js';
import { type Draft, draftPlan, requireNoErrors } from './draft-plan.js';
import { explainFailure, notBegun, stoppedBetween } from './failed-deploy.js';

/** One deploy, from the history check to the record. */
export class DeployRun {
  private readonly connection: DeployConnection;
  private readonly signal: AbortSignal;
  private readonly actor: string;
  private readonly tell: (line: string) => void;
  private readonly drift: DeployDrift;

  constructor(
    private readonly needs: DeployNeeds,
    private readonly options: DeployOptions,
  ) {
    this.signal = options.signal ?? new AbortController().signal;
    this.connection = new DeployConnection(needs, this.signal);
    this.actor = options.actor ?? operator();
    this.tell = options.onStep ?? (() => undefined);
    this.drift = new DeployDrift(needs.drift);
  }

  /** @throws PgkeepError `DEPLOY_REFUSED`, `LINT_FAILED`, or a `DATABASE_…` code. */
  async plan(): Promise<DeployPlan> {
    return await this.connection.use('plan a deploy to', async (client) => (await this.draft(client)).plan);
  }

  /** @throws PgkeepError `DEPLOY_REFUSED`, `DEPLOY_FAILED`, `INTERRUPTED`, a code of the backup's, or `DATABASE_…`. */
  async deploy(): Promise<DeployReport> {
    const startedAt = this.now();
    const { environment, database } = this.needs.settings;
    if (this.options.withoutBackup === true && environment === 'production') {
      throw refused(
        'production is not migrated without a backup',
        'Leave out --without-backup; the backup is made before the first migration.',
      );
    }
    return await this.connection.use('deploy to', async (client) => {
      const { timeouts } = this.needs;
      const { wait = false } = this.options;
      await takeDeployLock(client, { timeouts, wait, signal: this.signal, onWait: this.tell });
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
      return { ...report, ...done, durationMs: Math.round(this.now() - startedAt) };
    });
  }

  private async draft(client: Client): Promise<Draft> {
    const { settings, timeouts } = this.needs;
    const notes = await requireTarget(client, settings.environment, timeouts);
    notes.push(...(await this.drift.look(client)));
    return await draftPlan(client, this.needs, { outOfOrder: this.options.outOfOrder === true, notes });
  }

  private async perform(client: Client, draft: Draft) {
    const backup = await this.backUp();
    const { settings, timeouts } = this.needs;
    const before = {
      counts: await countRows(client, this.needs),
      unenforced: await unenforcedIn(client, timeouts),
    };
    const kept = await countProtected(this.connection, draft.protectedTables, settings.deploy);
    const { retries, found } = await this.apply(draft, before.unenforced, backup);
    const names = draft.plan.migrations.map(({ name }) => name);
    await this.requireApplied(names);
    // Migrations may have taken long enough for the first connection to be gone.
    const after = await this.connection.use('count the rows of', async (fresh) => ({
      counts: await countRows(fresh, this.needs),
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

  private async backUp(): Promise<string | null> {
    if (this.options.withoutBackup === true) return null;
    this.tell('Backing up');
    const { actor, signal, options } = this;
    return await backUpFirst(this.needs, {
      actor,
      signal,
      onProgress: options.onBackupProgress,
      otherwise: 'Nothing was migrated',
    });
  }

  private async apply(
    draft: Draft,
    unenforced: readonly Unenforced[],
    backup: string | null,
  ): Promise<ApplyOutcome> {
    const { settings, timeouts } = this.needs;
    const { url, connectTimeoutMs } = settings.database;
    const { signal, tell, connection } = this;
    if (signal.aborted) throw interrupted(NOTHING_MIGRATED);
    const scripts = draft.parsed.flatMap((parsed, index) => {
      const migration = draft.plan.migrations[index];
      return migration ? [{ migration, parsed }] : [];
    });
    const options = { ...settings.deploy, url, timeouts, connectTimeoutMs, signal, onStep: tell };
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

  /** Whatever the session said: the history decides, asked on a connection that it never had. */
  private async requireApplied(names: readonly string[]): Promise<void> {
    const applied = await this.connection.applied();
    const missing = names.filter((name) => !applied.has(name));
    if (missing.length === 0) return;
    const done = names.filter((name) => applied.has(name));
    if (this.signal.aborted) throw stoppedBetween(interrupted(NOTHING_MIGRATED), done, missing);
    throw new PgkeepError(
      'DEPLOY_FAILED',
      `All migrations were applied, and _prisma_migrations does not have ${boundedList(missing)} as finished.`,
      { hint: 'Another session may have changed it: see `pgkeep migrate status`.' },
    );
  }

  /** The deploy did not come to the first script, or stopped between two. */
  private async didNotBegin(
    thrown: unknown,
    names: readonly string[],
    backup: string | null,
  ): Promise<PgkeepError> {
    const applied = await this.connection.applied().catch(() => new Set<string>());
    const done = names.filter((name) => applied.has(name));
    const rest = names.filter((name) => !applied.has(name));
    const error = stoppedBetween(
      this.signal.aborted ? interrupted(NOTHING_MIGRATED) : notBegun(thrown),
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
    return await recordAction(this.needs, { action: 'deploy', details, actor: this.actor });
  }

  private now(): number {
    return this.needs.clock.monotonicMs();
  }
}
