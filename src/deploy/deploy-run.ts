import type { Client } from 'pg';
import { operator } from '../changelog/actor.js';
import type { NewEntry, Recording } from '../changelog/changelog.types.js';
import { errorCode, KeepError } from '../errors.js';
import { applyMigrations } from '../migrations/engine/apply-migrations.js';
import { backUpFirst } from './back-up-first.js';
import { DeployConnection, interrupted } from './deploy-connection.js';
import { DeployDrift } from './deploy-drift.js';
import { draftPlan, requireNoErrors, type Draft } from './deploy-draft.js';
import { isRunning, readInvalidIndexes, requireTarget } from './deploy-facts.js';
import { readPrismaLockHolders, takeDeployLock } from './deploy-lock.js';
import type { DeployNeeds } from './deploy-needs.js';
import type { DeployOptions, DeployPlan, DeployReport } from './deploy.types.js';
import { migrationFailed, stateOf } from './failure-text.js';
import { MigrationRunner } from './migration-runner.js';
import { notBegun } from './not-begun.js';
import { countProtected, findLostRows, rowsLost } from './protected-rows.js';
import { recordDeed } from './record-deed.js';
import { refused } from './refused.js';
import { compareCounts, countRows } from './row-counts.js';

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

  /** @throws KeepError `DEPLOY_REFUSED`, `LINT_FAILED`, or a `DATABASE_…` code. */
  async plan(): Promise<DeployPlan> {
    return await this.connection.use('plan a deploy to', async (client) => (await this.draft(client)).plan);
  }

  /** @throws KeepError `DEPLOY_REFUSED`, `DEPLOY_FAILED`, `INTERRUPTED`, a code of the backup's, or `DATABASE_…`. */
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
        notes: plan.notes,
      };
      const done =
        plan.migrations.length === 0
          ? { recorded: false, ...(await this.drift.recordFirst()) }
          : await this.perform(client, draft);
      return { ...report, ...done, durationMs: this.now() - startedAt };
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
    const before = await countRows(client, this.needs);
    const { settings } = this.needs;
    const kept = await countProtected(this.connection, draft.protectedTables, settings.deploy);
    const runner = await this.apply(draft, backup);
    const names = draft.plan.migrations.map(({ name }) => name);
    await this.requireApplied(names);
    // Migrations may have taken long enough for the first connection to be gone.
    const { after, structure } = await this.connection.use('count the rows of', async (fresh) => ({
      after: await countRows(fresh, this.needs),
      structure: await this.drift.record(fresh, draft.plan.migrations),
    }));
    const compared = compareCounts(before, after);
    const lost = await findLostRows(this.connection, kept, settings.deploy);
    const recording = await this.record({
      outcome: lost.length === 0 ? 'applied' : 'rows-lost',
      migrations: names,
      backup,
      shrunk: compared.shrunk.map((table) => ({ ...table })),
      ...(lost.length > 0 && { lost: lost.map((table) => ({ ...table })) }),
    });
    if (lost.length > 0) {
      const isPlain = settings.backup.format === 'plain';
      throw rowsLost(lost, draft.protectedTables, { applied: names, backup, isPlain });
    }
    return { ...recording, ...compared, ...structure, applied: names, backup, retries: runner.retries };
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

  private async apply(draft: Draft, backup: string | null): Promise<MigrationRunner> {
    const { settings, timeouts } = this.needs;
    const { url, connectTimeoutMs } = settings.database;
    const { signal, tell } = this;
    const runner = new MigrationRunner(draft.plan.migrations, {
      ...settings.deploy,
      url,
      timeouts,
      connectTimeoutMs,
      signal,
      onStep: tell,
    });
    if (signal.aborted) throw interrupted();
    try {
      await applyMigrations({
        database: url,
        directory: settings.migrationsDirectory,
        prisma: settings.prisma,
        runScript: runner.run,
        signal,
      });
      return runner;
    } catch (error) {
      throw await this.failure(error, runner, draft, backup);
    }
  }

  /** Whatever Prisma's engine says: the history decides, asked on a connection that it never had. */
  private async requireApplied(names: readonly string[]): Promise<void> {
    const applied = await this.connection.applied();
    const missing = names.filter((name) => !applied.has(name));
    if (missing.length === 0) return;
    throw new KeepError(
      'DEPLOY_FAILED',
      `Prisma’s engine says that all is applied, and _prisma_migrations does not have ${missing.join(', ')} as finished.`,
      {
        hint: 'A migration that opens a transaction (BEGIN) and does not end it takes the ones behind it back as well. See `pgkeep migrate status`.',
      },
    );
  }

  private async failure(thrown: unknown, runner: MigrationRunner, draft: Draft, backup: string | null) {
    const { failed } = runner;
    const names = draft.plan.migrations.map(({ name }) => name);
    if (!failed) return await this.didNotBegin(thrown, backup);
    const { lockTimeoutMs, statementTimeoutMs } = draft.plan;
    const place = names.indexOf(failed.migration.name);
    // The server may be gone; the message must come all the same.
    const now = await this.connection.applied().catch(() => new Set(names.slice(0, place)));
    const { timeouts } = this.needs;
    const left = await this.connection
      .use('look at', async (client) => ({
        invalidIndexes: failed.migration.isAtomic ? [] : await readInvalidIndexes(client, timeouts),
        isStillRunning:
          stateOf(failed) === 'unknown' && (await isRunning(client, failed.backendPid, timeouts)),
      }))
      .catch(() => ({ invalidIndexes: [], isStillRunning: false }));
    const applied = names.filter((name) => now.has(name));
    await this.drift.recordPart(draft.plan.migrations.slice(0, applied.length), failed.migration);
    const explained = migrationFailed({
      script: failed,
      parsed: draft.parsed[place],
      applied,
      notTried: names.slice(place + 1),
      backup,
      ...left,
      interrupted: this.signal.aborted,
      lockTimeoutMs,
      statementTimeoutMs,
    });
    await this.record({
      outcome: this.signal.aborted ? 'interrupted' : 'failed',
      migrations: applied,
      failed: failed.migration.name,
      code: errorCode(failed.error) ?? null,
      backup,
    });
    return explained;
  }

  /** The engine did not come to the first script. */
  private async didNotBegin(thrown: unknown, backup: string | null): Promise<KeepError> {
    if (this.signal.aborted) return interrupted();
    const holders = await this.connection
      .use('look at', (client) => readPrismaLockHolders(client, this.needs.timeouts))
      .catch(() => []);
    const error = notBegun(thrown, holders);
    const outcome = error.kind === 'refused' ? 'refused' : 'failed';
    await this.record({ outcome, migrations: [], code: error.code, backup });
    return error;
  }

  private async record(details: NewEntry['details']): Promise<Recording> {
    return await recordDeed(this.needs, { deed: 'deploy', details, actor: this.actor });
  }

  private now(): number {
    return this.needs.clock.now().getTime();
  }
}
