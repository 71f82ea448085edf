import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import { interrupted, messageOf, PgkeepError } from '../../core/errors.js';
import { type Attempt, readAttempts } from '../../migrations/history/prisma-history.js';
import { markMigration } from '../../migrations/schema-engine.js';
import { recordAction } from '../back-up-and-record.js';
import { DeployConnection, type DeployDependencies } from '../deploy-connection.js';
import { takeDeployLock } from '../deploy-lock.js';
import { requireTarget, resolveRefused } from '../preconditions.js';
import { requireMarkAllowed } from './marks.js';
import { readState, unsettledNames } from './migration-states.js';
import type { MigrationState, ResolveExplanation, ResolveOptions, ResolveReport } from './resolve.types.js';

/** What resolving needs of other modules. */
export type ResolveDependencies = Pick<
  DeployDependencies,
  'settings' | 'timeouts' | 'migrations' | 'changelog'
>;

/** The history and the migrations directory. */
interface Known {
  readonly attempts: readonly Attempt[];
  readonly directory: ReadonlySet<string>;
}

/** Explains the migrations that need resolving, or resolves one. */
export class ResolveRun {
  private readonly connection: DeployConnection;

  constructor(
    private readonly dependencies: ResolveDependencies,
    private readonly signal: AbortSignal,
  ) {
    this.connection = new DeployConnection(dependencies, signal, {
      applicationName: 'pgkeep resolve',
      done: 'marked',
    });
  }

  /** @throws PgkeepError `MIGRATIONS_UNREADABLE`, or a `DATABASE_…` code. */
  async explain(): Promise<ResolveExplanation> {
    const { database, environment } = this.dependencies.settings;
    const migrations = await this.connection.use('read the history of', async (client) => {
      const known = await this.known(client);
      const states: MigrationState[] = [];
      for (const name of unsettledNames(known.attempts, known.directory)) {
        states.push(await this.state(client, name, known));
      }
      return states;
    });
    return { database: database.url.database, environment, migrations };
  }

  /** @throws PgkeepError `RESOLVE_REFUSED`, `RESOLVE_FAILED`, `INTERRUPTED`, or a `DATABASE_…` code. */
  async resolve(options: ResolveOptions): Promise<ResolveReport> {
    const { database, environment } = this.dependencies.settings;
    const { migration, mark } = options;
    const before = await this.connection.use('resolve a migration of', async (client) => {
      await this.lock(client);
      const state = await this.state(client, migration, await this.known(client));
      options.onState?.(state);
      requireMarkAllowed(state, options);
      await this.mark(options);
      return state;
    });
    await this.requireMarked(options);
    const { there, notThere } = before;
    const recording = await recordAction(this.dependencies, {
      action: 'resolve',
      details: { migration, mark, there, notThere, anyway: options.anyway === true },
      actor: options.actor ?? operator(),
    });
    return { ...recording, database: database.url.database, environment, migration, mark, before };
  }

  private async lock(client: Client): Promise<void> {
    const { settings, timeouts } = this.dependencies;
    await requireTarget(client, settings.environment, timeouts, resolveRefused);
    await takeDeployLock(client, {
      timeouts,
      wait: false,
      signal: this.signal,
      onWait: () => undefined,
      refuse: resolveRefused,
    });
  }

  private async known(client: Client): Promise<Known> {
    const { settings, timeouts, migrations } = this.dependencies;
    const report = await migrations.report(client, timeouts);
    if ('fault' in report) {
      throw new PgkeepError('MIGRATIONS_UNREADABLE', `${report.fault.text}.`, { hint: report.fault.hint });
    }
    const { applied, pending, failed, rolledBack } = report.status;
    const directory = new Set([...applied, ...pending, ...failed, ...rolledBack]);
    const { schema } = settings.database.url;
    const attempts = report.history.rows === undefined ? [] : await readAttempts(client, schema, timeouts);
    return { attempts, directory };
  }

  private async state(client: Client, name: string, known: Known): Promise<MigrationState> {
    const { settings, timeouts } = this.dependencies;
    return await readState(client, name, known, settings, timeouts);
  }

  private async mark({ migration, mark }: ResolveOptions): Promise<void> {
    const { database, migrationsDirectory: directory } = this.dependencies.settings;
    if (this.signal.aborted) throw interrupted('nothing was marked');
    try {
      await markMigration({ database: database.url, directory, migration }, mark);
    } catch (cause) {
      throw new PgkeepError(
        'RESOLVE_FAILED',
        `Migration ${migration} was not marked as ${mark}: ${messageOf(cause)}`,
        { hint: 'See `pgkeep migrate status`, then try again.', cause },
      );
    }
  }

  /** Checks the result by the history, which is read on a new connection. */
  private async requireMarked({ migration, mark }: ResolveOptions): Promise<void> {
    const { attempts } = await this.connection.use('verify the migrations of', (client) =>
      this.known(client),
    );
    const own = attempts.filter(({ name }) => name === migration);
    const isMarked =
      mark === 'applied'
        ? own.at(-1)?.state === 'applied'
        : own.length > 0 && own.every(({ state }) => state === 'rolled back');
    if (isMarked) return;
    throw new PgkeepError(
      'RESOLVE_FAILED',
      `Prisma’s engine reported migration ${migration} as marked ${mark}, but _prisma_migrations does not show it.`,
      { hint: 'Another session may have changed the history: see `pgkeep migrate status`.' },
    );
  }
}
