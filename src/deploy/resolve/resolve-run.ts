import type { Client } from 'pg';
import { operator } from '../../audit-log/append.js';
import { interrupted, messageOf, PgkeepError } from '../../core/errors.js';
import { markMigration } from '../../migrations/engine/schema-engine.js';
import { type Attempt, readAttempts } from '../../migrations/history/attempts.js';
import { recordAction } from '../back-up-and-record.js';
import { DeployConnection } from '../deploy-connection.js';
import type { DeployNeeds } from '../deploy-dependencies.js';
import { takeDeployLock } from '../deploy-lock.js';
import { requireTarget } from '../preconditions.js';
import { resolveRefused } from '../refusals.js';
import { requireFitting } from './marks.js';
import { readState, unsettledNames } from './read-states.js';
import type { MigrationState, ResolveExplanation, ResolveOptions, ResolveReport } from './resolve.types.js';

/** What it needs of the other app. */
export type ResolveNeeds = Pick<DeployNeeds, 'settings' | 'timeouts' | 'migrations' | 'changelog'>;

/** The history, and the directory beside it. */
const NOTHING_MARKED = 'nothing was marked';

interface Known {
  readonly attempts: readonly Attempt[];
  readonly directory: ReadonlySet<string>;
}

/** Explains what is not settled in the history, or settles one of it. */
export class ResolveRun {
  private readonly connection: DeployConnection;

  constructor(
    private readonly needs: ResolveNeeds,
    private readonly signal: AbortSignal,
  ) {
    this.connection = new DeployConnection(needs, signal, {
      applicationName: 'pgkeep resolve',
      ifInterrupted: NOTHING_MARKED,
    });
  }

  /** @throws PgkeepError `MIGRATIONS_UNREADABLE`, or a `DATABASE_…` code. */
  async explain(): Promise<ResolveExplanation> {
    const { database, environment } = this.needs.settings;
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
    const { database, environment } = this.needs.settings;
    const { migration, mark } = options;
    const before = await this.connection.use('resolve a migration of', async (client) => {
      await this.lock(client);
      const state = await this.state(client, migration, await this.known(client));
      options.onState?.(state);
      requireFitting(state, options);
      await this.mark(options);
      return state;
    });
    await this.requireMarked(options);
    const { there, notThere } = before;
    const recording = await recordAction(this.needs, {
      action: 'resolve',
      details: { migration, mark, there, notThere, anyway: options.anyway === true },
      actor: options.actor ?? operator(),
    });
    return { ...recording, database: database.url.database, environment, migration, mark, before };
  }

  private async lock(client: Client): Promise<void> {
    const { settings, timeouts } = this.needs;
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
    const { settings, timeouts, migrations } = this.needs;
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
    const { settings, timeouts } = this.needs;
    return await readState(client, name, known, settings, timeouts);
  }

  private async mark({ migration, mark }: ResolveOptions): Promise<void> {
    const { database, migrationsDirectory: directory } = this.needs.settings;
    if (this.signal.aborted) throw interrupted(NOTHING_MARKED);
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

  /** Whatever the engine says: the history decides, asked on a connection that it never had. */
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
      `Prisma’s engine says that migration ${migration} is marked as ${mark}, and _prisma_migrations does not.`,
      { hint: 'Somebody else may be at it: see `pgkeep migrate status`.' },
    );
  }
}
