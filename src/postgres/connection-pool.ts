import { callbackify } from 'node:util';
import { Pool, type PoolClient, type PoolConfig } from 'pg';
import type { DatabaseUrl } from '../config/database-url.js';
import type { DatabaseSettings } from '../config/settings.js';
import { candidateClient, type ConnectionOptions } from './candidate-client.js';
import { CandidateRotation, isStale, walkCandidates } from './candidate-rotation.js';
import { withConnectionRetry } from './connect.js';

/** A read that waits longer for a lock blocks the sessions behind it. */
const LONGEST_LOCK_WAIT_MS = 5000;

/** Returns how long a statement of a pooled connection waits for a lock, in ms. */
export function lockTimeoutMs({ queryTimeoutMs }: Pick<DatabaseSettings, 'queryTimeoutMs'>): number {
  return Math.min(LONGEST_LOCK_WAIT_MS, Math.ceil(queryTimeoutMs / 2));
}

/** The size and the timeouts of a pool, of `DatabaseSettings`. */
export type PoolSettings = Pick<
  DatabaseSettings,
  'poolSize' | 'acquireTimeoutMs' | 'connectTimeoutMs' | 'queryTimeoutMs' | 'idleTimeoutMs'
>;

/** How the connections of a pool differ from those of others. */
export type PooledConnections = Pick<ConnectionOptions, 'applicationName' | 'limits'> & {
  /** The pause before the second try. Defaults to that of `withConnectionRetry`. */
  readonly firstPauseMs?: number | undefined;
};

type ConnectCallback = (
  error: Error | undefined,
  client: PoolClient | undefined,
  done: (release?: boolean | Error) => void,
) => void;

/**
 * A pool of connections to the candidates of a URL. A connection that cannot be made is tried again where that can help,
 * and connections from before the URL's file was replaced are closed.
 */
export class ConnectionPool extends Pool {
  private readonly rotation: CandidateRotation;

  constructor(
    url: DatabaseUrl,
    settings: PoolSettings,
    private readonly connections: PooledConnections,
  ) {
    const rotation = new CandidateRotation(url);
    super(poolConfig(rotation, settings, connections));
    this.rotation = rotation;
    // An idle connection that breaks leaves the pool by itself; without a listener it would end the process.
    this.on('error', () => undefined);
  }

  /** Returns a connection. @throws what the last of three tries threw. */
  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | void {
    if (!callback) return this.acquire();
    callbackify(() => this.acquire())((error, client) =>
      callback(error ?? undefined, client, (fault) => client?.release(fault)),
    );
  }

  /** Returns a connection for {@link connect}. */
  protected async acquire(): Promise<PoolClient> {
    return await withConnectionRetry(
      () => walkCandidates(this.rotation, () => this.current()),
      this.connections.firstPauseMs,
    );
  }

  /** Returns a connection; closes those from before the URL's file was replaced. */
  private async current(): Promise<PoolClient> {
    for (;;) {
      const client = await super.connect();
      if (!isStale(client, this.rotation)) return client;
      client.release(true);
    }
  }
}

function poolConfig(
  rotation: CandidateRotation,
  { poolSize, acquireTimeoutMs, connectTimeoutMs, queryTimeoutMs, idleTimeoutMs }: PoolSettings,
  { applicationName, limits }: PooledConnections,
): PoolConfig {
  return {
    // pg names this after connecting, but its timer also covers the wait for a free connection.
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: idleTimeoutMs,
    max: poolSize,
    Client: candidateClient(rotation, {
      connectTimeoutMs,
      // Longer than the server's own timeout, so that the server's clearer message comes first.
      answerTimeoutMs: queryTimeoutMs + 1000,
      applicationName,
      limits,
      throughPooler: true,
    }),
  };
}
