import { callbackify } from 'node:util';
import type { PoolClient } from 'pg';
import { describeDatabaseUrl, type DatabaseUrl } from '../config/database-url.js';
import { PgkeepError, messageOf } from '../core/errors.js';
import { counted, formatSeconds } from '../core/text.js';
import { ConnectionPool, type PooledConnections, type PoolSettings } from '../postgres/connection-pool.js';
import { databaseError } from '../postgres/database-fault.js';
import { withDeadline } from '../postgres/deadline.js';

/** How long a connection may take to say goodbye to a server that does not answer. */
const GOODBYE_MS = 500;

/** Of a pool of the application. */
export interface GuardedPoolSettings extends PoolSettings {
  /** How long {@link GuardedPool.end} waits for statements and transactions to finish, in ms. */
  readonly closeTimeoutMs: number;
}

/** The pool of an application's own client: connects with three tries, and closes in order. */
export class GuardedPool extends ConnectionPool {
  private readonly connected = new Set<PoolClient>();
  private readonly inUse = new Set<PoolClient>();
  /** Ends the wait of each caller without a connection. */
  private readonly waiting = new Set<(error: Error) => void>();
  private closing: Promise<void> | undefined;
  private reportIdle: (() => void) | undefined;

  constructor(
    readonly url: DatabaseUrl,
    private readonly settings: GuardedPoolSettings,
    connections: PooledConnections,
  ) {
    super(url, settings, connections);
    this.on('connect', (client) => this.connected.add(client));
    this.on('remove', (client) => this.connected.delete(client));
    this.on('acquire', (client) => this.inUse.add(client));
    this.on('release', (_error, client) => {
      this.inUse.delete(client);
      this.checkIdle();
    });
  }

  /**
   * Connects once, unless there is a connection already.
   * @throws PgkeepError a `DATABASE_…` code that says what to do, after three tries.
   */
  async requireConnection(): Promise<void> {
    try {
      const client = await this.connect();
      client.release();
    } catch (error) {
      throw databaseError(`connect to ${describeDatabaseUrl(this.url)}`, error);
    }
  }

  /**
   * Closes the pool: refuses new work, waits for the work that has begun, and cuts what is left after the deadline.
   * May be called more than once.
   */
  override end(): Promise<void>;
  override end(callback: () => void): void;
  override end(callback?: () => void): Promise<void> | void {
    const closing = (this.closing ??= this.close());
    if (!callback) return closing;
    callbackify(() => closing)(callback);
  }

  protected override async acquire(): Promise<PoolClient> {
    if (this.closing) throw this.closedError();
    const connecting = super.acquire();
    let cut = (_error: Error): void => undefined;
    const isCut = new Promise<never>((_resolve, reject) => {
      cut = reject;
    });
    this.waiting.add(cut);
    try {
      return await Promise.race([connecting, isCut]);
    } catch (error) {
      // Where the wait was cut, the connection may still be made.
      void releaseLate(connecting);
      throw this.explained(error);
    } finally {
      this.waiting.delete(cut);
      this.checkIdle();
    }
  }

  private async close(): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.reportIdle = resolve;
    });
    this.checkIdle();
    try {
      await withDeadline(idle, this.settings.closeTimeoutMs);
    } catch {
      for (const cut of this.waiting) cut(this.closedError());
      for (const client of this.inUse) client.connection.stream.destroy();
    }
    try {
      await withDeadline(super.end(), GOODBYE_MS);
    } catch {
      for (const client of this.connected) client.connection.stream.destroy();
    }
  }

  private checkIdle(): void {
    if (this.inUse.size === 0 && this.waiting.size === 0) this.reportIdle?.();
  }

  private closedError(): PgkeepError {
    return new PgkeepError(
      'CLIENT_CLOSED',
      `Refused to connect to ${describeDatabaseUrl(this.url)}: the pool is closed. Nothing was sent to the database.`,
      { hint: 'Finish the work before the client is disconnected.' },
    );
  }

  /** Explains pg's own error for a caller that found no free connection in time. */
  private explained(error: unknown): unknown {
    if (messageOf(error) !== 'timeout exceeded when trying to connect') return error;
    const { poolSize, acquireTimeoutMs } = this.settings;
    return new PgkeepError(
      'POOL_EXHAUSTED',
      `No connection to ${describeDatabaseUrl(this.url)} was free within ${formatSeconds(acquireTimeoutMs)}: ${counted(poolSize, 'connection')} in use, ${counted(this.waiting.size, 'caller')} waiting. Nothing was sent to the database.`,
      {
        hint: 'Look for transactions that stay open (in pg_stat_activity: state = idle in transaction), or raise DATABASE_MAX_CONNECTIONS.',
        cause: error,
      },
    );
  }
}

async function releaseLate(connecting: Promise<PoolClient>): Promise<void> {
  try {
    (await connecting).release(true);
  } catch {
    // It was not made.
  }
}
