import { PrismaPg } from '@prisma/adapter-pg';
import {
  DriverAdapterError,
  isDriverAdapterError,
  type ConnectionInfo,
  type IsolationLevel,
  type SqlDriverAdapter,
  type SqlQuery,
  type SqlResultSet,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import type { EngineDatabase } from './engine-database.js';
import { sendScript } from './send-script.js';
import { SessionPool } from './session-pool.js';
import { statementFailure, type FailureMemory } from './statement-failure.js';

/** The lock that Prisma's engine takes so that two migrations never run together. */
const ADVISORY_LOCK = 'SELECT pg_advisory_lock(72707369)';

/** Stands for the real SQLSTATE, for which the engine may have its own text (42P01: "No such table") and drop PostgreSQL's. */
const NEUTRAL_SQLSTATE = 'XX000';

/** Options of a session beside its database. */
export interface SessionOptions {
  /** Where its latest failed statement is remembered. */
  readonly failures: FailureMemory;
  /** Skips the lock against a second migration, as PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK asks. */
  readonly skipAdvisoryLock?: boolean | undefined;
  /** Called once, after the session has ended. */
  readonly afterEnd?: () => Promise<void>;
}

/**
 * One database session as Prisma's engine needs it: the stock adapter for queries, and scripts sent unsplit where
 * possible. The stock adapter's own `executeScript` cuts a script at every semicolon, which breaks function bodies.
 */
export class EngineSession implements SqlDriverAdapter {
  readonly provider = 'postgres';
  readonly adapterName: string;

  private constructor(
    private readonly session: SessionPool,
    private readonly stock: SqlDriverAdapter,
    private readonly schema: string,
    private readonly options: SessionOptions,
  ) {
    this.adapterName = stock.adapterName;
  }

  /** @throws SchemaEngineError with Prisma's code: `P1000` wrong password, `P1001` out of reach… */
  static async open(database: EngineDatabase, options: SessionOptions): Promise<EngineSession> {
    const session = await SessionPool.open(database);
    const stock = await new PrismaPg(session.pool, { schema: database.schema }).connect();
    return new EngineSession(session, stock, database.schema, options);
  }

  async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
    return this.session.charColumns.restore(await this.remembering(this.stock.queryRaw(query)));
  }

  async executeRaw(query: SqlQuery): Promise<number> {
    if (this.options.skipAdvisoryLock && query.sql === ADVISORY_LOCK) return 0;
    return await this.remembering(this.stock.executeRaw(query));
  }

  async executeScript(script: string): Promise<void> {
    const failed = await this.session.forScript(() => sendScript(script, (sql) => this.session.send(sql)));
    if (!failed) return;
    const failure = statementFailure(failed.thrown, script, failed.sentFrom);
    this.options.failures.latest = failure;
    throw new DriverAdapterError({
      kind: 'postgres',
      code: NEUTRAL_SQLSTATE,
      severity: failure.severity,
      // Prisma keeps this text in `_prisma_migrations.logs`, after the severity, which it adds itself.
      message: `${failure.text.replace(`${failure.severity}: `, '')}\n\nDatabase error code: ${failure.code}`,
      detail: undefined,
      column: undefined,
      hint: undefined,
    });
  }

  async startTransaction(isolationLevel?: IsolationLevel): Promise<Transaction> {
    return await this.stock.startTransaction(isolationLevel);
  }

  getConnectionInfo(): ConnectionInfo {
    return { schemaName: this.schema, supportsRelationJoins: true };
  }

  async dispose(): Promise<void> {
    await this.session.end();
    await this.options.afterEnd?.();
  }

  /** See {@link SessionPool.cancelStatement}. */
  async cancelStatement(): Promise<void> {
    await this.session.cancelStatement();
  }

  private async remembering<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (thrown) {
      if (isDriverAdapterError(thrown)) {
        const { originalCode = 'none', originalMessage: message = thrown.message } = thrown.cause;
        this.options.failures.latest = {
          code: originalCode,
          severity: 'ERROR',
          message,
          text: `ERROR: ${message}`,
        };
      }
      throw thrown;
    }
  }
}
