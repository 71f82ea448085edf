import {
  bindMigrationAwareSqlAdapterFactory,
  type ErrorRegistry,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import { adapterFactory } from './adapter-factory.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import { engineError } from './engine-error.js';
import { EngineSession, type SessionOptions } from './engine-session.js';
import { offlineAdapterFactory } from './offline-adapter.js';
import { ShadowDatabases } from './shadow-databases.js';
import { loadWasmModule, type WasmEngine, type WasmModule } from './wasm-module.js';

/** What an engine works with beside its database. */
export interface SchemaEngineOptions extends SessionOptions {
  /** Prisma schema files as [path, content]; they tell the engine which PostgreSQL schemas there are. */
  readonly datamodels?: readonly (readonly [string, string])[];
  /** A database to replay histories in, instead of one made for the purpose. */
  readonly shadow?: DatabaseUrl | undefined;
}

/** Prisma's schema engine, in this process, on one database session of its own. Close it after use. */
export class SchemaEngine {
  private constructor(
    private readonly module: WasmModule,
    private readonly engine: WasmEngine,
    private readonly errors: ErrorRegistry,
    private readonly sessions: ReadonlySet<EngineSession>,
    private readonly shadows: ShadowDatabases | undefined,
  ) {}

  /**
   * Connects and starts an engine.
   * @throws SchemaEngineError `P1000`, `P1001`… when it cannot connect.
   */
  static async open(url: DatabaseUrl, options: SchemaEngineOptions = {}): Promise<SchemaEngine> {
    const main = await EngineSession.open(url, options);
    try {
      const shadows = new ShadowDatabases(url, options.shadow);
      const factory = adapterFactory(main, shadows);
      return await SchemaEngine.start(factory, options, factory.sessions, shadows);
    } catch (thrown) {
      await main.dispose();
      throw thrown;
    }
  }

  /** An engine without a database, which can compare schema files. */
  static async offline(): Promise<SchemaEngine> {
    return await SchemaEngine.start(offlineAdapterFactory(), {}, new Set());
  }

  private static async start(
    factory: SqlMigrationAwareDriverAdapterFactory,
    { datamodels = [] }: SchemaEngineOptions,
    sessions: ReadonlySet<EngineSession>,
    shadows?: ShadowDatabases,
  ): Promise<SchemaEngine> {
    const module = await loadWasmModule();
    const bound = bindMigrationAwareSqlAdapterFactory(factory);
    const files = datamodels.map(([path, content]): [string, string] => [path, content]);
    const settings = { datamodels: files.length > 0 ? files : undefined };
    const engine = await module.guard.watch(() => module.SchemaEngine.new(settings, ignoreLog, bound));
    return new SchemaEngine(module, engine, bound.errorRegistry, sessions, shadows);
  }

  /**
   * Runs one of the engine's methods; one at a time.
   * @throws SchemaEngineError for whatever fails, a trap inside the engine included.
   */
  async run<T>(work: (engine: WasmEngine) => Promise<T>): Promise<T> {
    for (const session of this.sessions) session.lastFailure = undefined;
    try {
      return await this.module.guard.watch(() => work(this.engine));
    } catch (thrown) {
      throw engineError(thrown, this.errors, this.lastFailure());
    }
  }

  /** Cancels the statement that is running, if one is: the method it belongs to fails. */
  async cancel(): Promise<void> {
    await Promise.allSettled([...this.sessions].map((session) => session.cancelStatement()));
  }

  /** Ends the sessions and drops the shadow databases that are still there. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.sessions].map((session) => session.dispose()));
    await this.shadows?.dropAll();
  }

  private lastFailure() {
    return [...this.sessions]
      .map(({ lastFailure }) => lastFailure)
      .findLast((failure) => failure !== undefined);
  }
}

/** The engine's own log repeats every script; what matters of it comes back as results and errors. */
function ignoreLog(): void {}
