import {
  bindMigrationAwareSqlAdapterFactory,
  type ErrorRegistry,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { DatabaseUrl } from '../../config/database-url.js';
import { adapterFactory, offlineAdapterFactory } from './adapter-factory.js';
import { EngineSession } from './engine-session.js';
import { engineError } from './schema-engine-error.js';
import { ShadowDatabases } from './shadow-databases.js';
import type { FailureMemory } from './statement-failure.js';
import { loadWasmModule, type WasmEngine, type WasmModule } from './wasm-module.js';

/** What an engine works with beside its database. */
export interface SchemaEngineOptions {
  /** Prisma schema files as [path, content]; they tell the engine which PostgreSQL schemas there are. */
  readonly datamodels?: readonly (readonly [string, string])[];
  /** A database to replay histories in, instead of one made for the purpose. */
  readonly shadow?: DatabaseUrl | undefined;
  /** Leaves out the lock against a second migration. */
  readonly skipAdvisoryLock?: boolean;
}

/** What an engine works on: its session, and where it replays histories. */
interface EngineDatabase {
  readonly main: EngineSession;
  readonly shadows: ShadowDatabases;
  readonly failures: FailureMemory;
}

/** Prisma's schema engine, in this process, on one database session of its own. Close it after use. */
export class SchemaEngine {
  private constructor(
    private readonly module: WasmModule,
    private readonly engine: WasmEngine,
    private readonly errors: ErrorRegistry,
    private readonly database: EngineDatabase | undefined,
  ) {}

  /**
   * Connects and starts an engine.
   * @throws SchemaEngineError `P1000`, `P1001`… when it cannot connect; without a code when it may not make the
   *   PostgreSQL schema.
   */
  static async open(url: DatabaseUrl, options: SchemaEngineOptions = {}): Promise<SchemaEngine> {
    const failures: FailureMemory = { latest: undefined };
    const { skipAdvisoryLock } = options;
    const main = await EngineSession.open(url, { failures, skipAdvisoryLock });
    try {
      const shadows = new ShadowDatabases(url, options.shadow, failures);
      return await SchemaEngine.start(adapterFactory(main, shadows), options, { main, shadows, failures });
    } catch (thrown) {
      await main.dispose();
      throw thrown;
    }
  }

  /** An engine without a database, which can compare schema files. */
  static async offline(): Promise<SchemaEngine> {
    return await SchemaEngine.start(offlineAdapterFactory(), {});
  }

  private static async start(
    factory: SqlMigrationAwareDriverAdapterFactory,
    { datamodels = [] }: SchemaEngineOptions,
    database?: EngineDatabase,
  ): Promise<SchemaEngine> {
    const module = await loadWasmModule();
    const bound = bindMigrationAwareSqlAdapterFactory(factory);
    const files = datamodels.map(([path, content]): [string, string] => [path, content]);
    const settings = { datamodels: files.length > 0 ? files : undefined };
    try {
      const engine = await module.guard.watch(() => module.SchemaEngine.new(settings, ignoreLog, bound));
      return new SchemaEngine(module, engine, bound.errorRegistry, database);
    } catch (thrown) {
      // It makes the PostgreSQL schema where that is missing, which the role may not be allowed to.
      throw engineError(thrown, bound.errorRegistry, database?.failures.latest);
    }
  }

  /**
   * Runs one of the engine's methods; one at a time. Shadow databases it asked for are gone when it ends.
   * @throws SchemaEngineError for whatever fails, a trap inside the engine included.
   */
  async run<T>(work: (engine: WasmEngine) => Promise<T>): Promise<T> {
    if (this.database) this.database.failures.latest = undefined;
    try {
      return await this.module.guard.watch(() => work(this.engine));
    } catch (thrown) {
      throw engineError(thrown, this.errors, this.database?.failures.latest);
    } finally {
      await this.database?.shadows.closeAll();
    }
  }

  /** Cancels the statement that is running, if one is: the method it belongs to fails. */
  async cancel(): Promise<void> {
    const sessions = this.database ? [this.database.main, ...this.database.shadows.sessions] : [];
    await Promise.allSettled(sessions.map((session) => session.cancelStatement()));
  }

  /** Ends the sessions and drops the shadow databases that are still there. */
  async close(): Promise<void> {
    await Promise.allSettled([this.database?.main.dispose(), this.database?.shadows.closeAll()]);
  }
}

/** The engine's own log repeats every script; what matters of it comes back as results and errors. */
function ignoreLog(): void {}
