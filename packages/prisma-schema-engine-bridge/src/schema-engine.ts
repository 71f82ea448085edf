import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type ErrorRegistry,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { EngineDatabase } from './engine-database.js';
import { EngineSession } from './engine-session.js';
import { engineError, type FailureMemory } from './errors.js';
import { ShadowDatabases } from './shadow-databases.js';
import { loadWasmModule, type WasmEngine, type WasmModule } from './wasm-module.js';

/** Options of an engine beside its database. */
export interface SchemaEngineOptions {
  /** Prisma schema files as [path, content]; from them the engine knows which PostgreSQL schemas there are. */
  readonly datamodels?: readonly (readonly [string, string])[];
  /** A database to replay histories in; it is emptied. By default one is created for the purpose, and dropped. */
  readonly shadow?: EngineDatabase | undefined;
  /** Skips the advisory lock that keeps two migrations from running together. */
  readonly skipAdvisoryLock?: boolean;
}

/** What an engine works on: its session, and where it replays histories. */
interface OpenDatabase {
  readonly main: EngineSession;
  readonly shadows: ShadowDatabases;
  readonly failures: FailureMemory;
}

/** Prisma's schema engine in this process, on one dedicated database session. Close it after use. */
export class SchemaEngine {
  private constructor(
    private readonly module: WasmModule,
    private readonly engine: WasmEngine,
    private readonly errors: ErrorRegistry,
    private readonly database: OpenDatabase | undefined,
  ) {}

  /**
   * Connects and starts an engine.
   * @throws SchemaEngineError `P1000`, `P1001`… when it cannot connect; without a code when the role may not create
   *   the PostgreSQL schema.
   */
  static async open(database: EngineDatabase, options: SchemaEngineOptions = {}): Promise<SchemaEngine> {
    const failures: FailureMemory = { latest: undefined };
    const { skipAdvisoryLock } = options;
    const main = await EngineSession.open(database, { failures, skipAdvisoryLock });
    try {
      const shadows = new ShadowDatabases(database, options.shadow, failures);
      return await SchemaEngine.start(adapterFactory(main, shadows), options, { main, shadows, failures });
    } catch (thrown) {
      await main.dispose();
      throw thrown;
    }
  }

  /** Starts an engine without a database, which can compare schema files. */
  static async offline(): Promise<SchemaEngine> {
    return await SchemaEngine.start(offlineAdapterFactory(), {});
  }

  /**
   * Opens an engine, runs `work` and closes it. Aborting the signal cancels the statement that runs.
   * @throws what `open` and `work` throw.
   */
  static async use<T>(
    database: EngineDatabase,
    { signal, ...options }: SchemaEngineOptions & { readonly signal?: AbortSignal | undefined },
    work: (engine: SchemaEngine) => Promise<T>,
  ): Promise<T> {
    const engine = await SchemaEngine.open(database, options);
    const cancel = (): void => void engine.cancel();
    signal?.addEventListener('abort', cancel);
    try {
      return await work(engine);
    } finally {
      signal?.removeEventListener('abort', cancel);
      await engine.close();
    }
  }

  private static async start(
    factory: SqlMigrationAwareDriverAdapterFactory,
    { datamodels = [] }: SchemaEngineOptions,
    database?: OpenDatabase,
  ): Promise<SchemaEngine> {
    const module = await loadWasmModule();
    const bound = bindMigrationAwareSqlAdapterFactory(factory);
    const files = datamodels.map(([path, content]): [string, string] => [path, content]);
    const settings = { datamodels: files.length > 0 ? files : undefined };
    try {
      const engine = await module.guard.watch(() => module.SchemaEngine.new(settings, ignoreLog, bound));
      return new SchemaEngine(module, engine, bound.errorRegistry, database);
    } catch (thrown) {
      // It creates the PostgreSQL schema where that is missing, which the role may not be allowed to.
      throw engineError(thrown, bound.errorRegistry, database?.failures.latest);
    }
  }

  /**
   * Runs one of the engine's methods; one at a time. Shadow databases that it asked for are gone when it ends.
   * @throws SchemaEngineError for every failure, a trap inside the engine included.
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

  /** Cancels the statement that is running, if there is one: the method that sent it fails. */
  async cancel(): Promise<void> {
    const sessions = this.database ? [this.database.main, ...this.database.shadows.sessions] : [];
    await Promise.allSettled(sessions.map((session) => session.cancelStatement()));
  }

  /** Ends the sessions and drops the shadow databases that still exist. */
  async close(): Promise<void> {
    await Promise.allSettled([this.database?.main.dispose(), this.database?.shadows.closeAll()]);
  }
}

/** The engine's own log repeats every script; what matters in it also comes back as results and errors. */
function ignoreLog(): void {}

/** The engine asks for a version before anything else; comparing two schema files depends on none. */
const STARTUP_ANSWER = {
  columnNames: ['exists', 'version', 'numeric_version'],
  columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
  rows: [[true, 'PostgreSQL 15.0', 150_000]],
};

/** Gives Prisma's engine a session that is open already, and shadow databases when it asks for one. */
function adapterFactory(
  main: EngineSession,
  shadows: ShadowDatabases,
): SqlMigrationAwareDriverAdapterFactory {
  return {
    provider: main.provider,
    adapterName: main.adapterName,
    connect: async () => main,
    connectToShadowDb: async () => await shadows.open(),
  };
}

/** Lets Prisma's engine compare two schema files without a database. */
function offlineAdapterFactory(): SqlMigrationAwareDriverAdapterFactory {
  const info = { provider: 'postgres', adapterName: '@prisma/adapter-pg' } as const;
  const adapter: SqlDriverAdapter = {
    ...info,
    queryRaw: async () => STARTUP_ANSWER,
    executeRaw: needsDatabase,
    executeScript: needsDatabase,
    startTransaction: needsDatabase,
    getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: async () => undefined,
  };
  return { ...info, connect: async () => adapter, connectToShadowDb: needsDatabase };
}

async function needsDatabase(): Promise<never> {
  throw new Error('The engine asked for a database to compare two schema files, which needs none.');
}
