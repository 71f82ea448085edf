import { PrismaPg } from '@prisma/adapter-pg';
import {
  type ConnectionInfo,
  DriverAdapterError,
  isDriverAdapterError,
  type IsolationLevel,
  type SqlDriverAdapter,
  type SqlQuery,
  type SqlResultSet,
  type Transaction,
} from '@prisma/driver-adapter-utils';
import type { EngineDatabase } from './engine-database.js';
import { errorCode, type FailureMemory, statementFailure } from './errors.js';
import { SessionPool } from './session-pool.js';

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

/**
 * SQLSTATEs of what PostgreSQL refuses inside a transaction, and accepts where each statement commits by itself: no
 * transaction block (25001), no end of one (2D000), a new enum value that is used (55P04), and more locks than there
 * is memory for (53200).
 */
export const REFUSED_IN_TRANSACTION: ReadonlySet<string> = new Set(['25001', '2D000', '55P04', '53200']);

/** Why a script failed, and where the SQL that was sent begins in it. */
export interface ScriptFailure {
  readonly thrown: unknown;
  readonly sentFrom: number;
}

/**
 * Sends a script as one query, which PostgreSQL runs as one transaction; where PostgreSQL refuses that, statement by
 * statement, as Prisma's native engine does.
 * @returns why it failed, if it did
 */
async function sendScript(
  script: string,
  send: (sql: string) => Promise<void>,
): Promise<ScriptFailure | undefined> {
  let sentFrom = 0;
  try {
    await send(script);
    return undefined;
  } catch (thrown) {
    const statements = REFUSED_IN_TRANSACTION.has(errorCode(thrown) ?? '') ? await statementsOf(script) : [];
    if (statements.length === 0) return { thrown, sentFrom };
    try {
      for (const { sql, index } of statements) {
        sentFrom = index;
        await send(sql);
      }
      return undefined;
    } catch (error) {
      return { thrown: error, sentFrom };
    }
  }
}

/**
 * Splits a script with PostgreSQL's own parser. Returns nothing where the parser cannot read it, or where it contains
 * transactions: what it committed before it failed would run again.
 */
async function statementsOf(script: string): Promise<{ sql: string; index: number }[]> {
  const { loadModule, parseSync } = await import('libpg-query');
  await loadModule();
  // The parser counts in bytes.
  const bytes = Buffer.from(script);
  try {
    const { stmts = [] } = parseSync(script);
    if (stmts.some(({ stmt }) => stmt && 'TransactionStmt' in stmt)) return [];
    return stmts.map(({ stmt_location: start = 0, stmt_len: length }) => {
      const end = length === undefined ? bytes.length : start + length;
      return { sql: bytes.toString('utf8', start, end), index: bytes.toString('utf8', 0, start).length };
    });
  } catch {
    return [];
  }
}
