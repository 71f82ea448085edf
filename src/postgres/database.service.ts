import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { type Client, Pool, type PoolClient, type QueryResultRow } from 'pg';
import { type DatabaseUrl, describeDatabaseUrl } from '../config/database-url.js';
import type { DatabaseSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import type { PrismaClient } from '../generated/prisma/client.js';
import { candidateClient } from './candidate-client.js';
import { CandidateRotation, isStale, walkCandidates } from './candidate-rotation.js';
import { connectOnce, withConnection, withConnectionRetry } from './connect.js';
import { databaseError } from './database-fault.js';
import { closeClient, DeadlineError, withDeadline } from './deadline.js';
import { read, type ReadTimeouts } from './read.js';
import { readServerFacts, type ServerFacts } from './server-facts.js';

/** A read that waits longer for a lock blocks the sessions behind it. */
const LONGEST_LOCK_WAIT_MS = 5000;

/** A pool's connections and its queue. */
export interface PoolCounts {
  readonly total: number;
  readonly idle: number;
  /** Callers that wait for a free connection. */
  readonly waiting: number;
}

/**
 * Every connection to the guarded database: the pool of the primary, the pool of `DATABASE_URL` (which may go through a
 * pooler), the pool of the replica where there is one, and the connection of the readiness checks. Opens a connection
 * only when it is needed.
 */
@Injectable()
export class DatabaseService implements OnApplicationShutdown {
  readonly primary: Pool;
  /** Connects as the application does; the primary's pool where `DIRECT_URL` is not set. */
  readonly front: Pool;
  readonly replica: Pool | undefined;
  /** The connection of the readiness checks, outside of every pool: an exhausted pool does not affect it. */
  readonly probe: ProbeConnection;
  private readonly settings: DatabaseSettings;
  private readonly rotations = new WeakMap<Pool, CandidateRotation>();

  constructor(@Inject(SETTINGS) settings: Settings) {
    this.settings = settings.database;
    const { url, pooledUrl } = this.settings;
    this.primary = this.createPool(url);
    this.front = pooledUrl === url ? this.primary : this.createPool(pooledUrl);
    this.replica = this.settings.replicaUrl && this.createPool(this.settings.replicaUrl);
    this.probe = new ProbeConnection(pooledUrl);
  }

  /** Returns the pool that statistics are read from: the replica's where there is one. */
  get statisticsPool(): Pool {
    return this.replica ?? this.front;
  }

  /**
   * Runs `work` on a pooled connection, which is discarded when `work` fails.
   * @throws what connecting (after three tries) or `work` throws.
   */
  async withPooled<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
    const rotation = this.rotations.get(pool);
    const connect = (): Promise<PoolClient> => (rotation ? currentClient(pool, rotation) : pool.connect());
    const client = await withConnectionRetry(() =>
      rotation ? walkCandidates(rotation, connect) : connect(),
    );
    try {
      const result = await work(client);
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  /** Reads on a pool, within `DB_QUERY_TIMEOUT`. */
  async read<Row extends QueryResultRow>(
    pool: Pool,
    sql: string,
    values?: readonly unknown[],
  ): Promise<Row[]> {
    return await this.withPooled(pool, (client) =>
      read<Row>(client, { sql, ...(values && { values }), ...this.timeouts }),
    );
  }

  /** Returns the timeouts of a pooled read. */
  get timeouts(): ReadTimeouts {
    const { queryTimeoutMs } = this.settings;
    return {
      statementTimeoutMs: queryTimeoutMs,
      lockTimeoutMs: Math.min(LONGEST_LOCK_WAIT_MS, queryTimeoutMs / 2),
    };
  }

  /**
   * Connects once and reads the facts of the server.
   * @throws PgkeepError `DATABASE_UNREACHABLE`, `DATABASE_TIMEOUT` or `DATABASE_ERROR`.
   */
  async ping(): Promise<ServerFacts> {
    const { pooledUrl: url, connectTimeoutMs, queryTimeoutMs } = this.settings;
    const options = {
      connectTimeoutMs,
      answerTimeoutMs: queryTimeoutMs,
      applicationName: 'pgkeep ping',
      throughPooler: true,
    };
    try {
      return await withConnection(url, options, (client) => readServerFacts(client, this.timeouts));
    } catch (error) {
      throw databaseError(`connect to ${describeDatabaseUrl(url)}`, error);
    }
  }

  counts(pool: Pool): PoolCounts {
    return { total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount };
  }

  /** Closes every connection. */
  async onApplicationShutdown(): Promise<void> {
    const pools = new Set([this.primary, this.front, ...(this.replica ? [this.replica] : [])]);
    await Promise.all([...[...pools].map((pool) => pool.end()), this.probe.close()]);
  }

  private createPool(url: DatabaseUrl): Pool {
    const { poolSize, acquireTimeoutMs, connectTimeoutMs, queryTimeoutMs, idleTimeoutMs } = this.settings;
    const rotation = new CandidateRotation(url);
    const pool = new Pool({
      // pg names this after connecting, but its timer also covers the wait for a free connection.
      connectionTimeoutMillis: acquireTimeoutMs,
      idleTimeoutMillis: idleTimeoutMs,
      max: poolSize,
      Client: candidateClient(rotation, {
        connectTimeoutMs,
        // Longer than the server's own timeout, so that the server's clearer message comes first.
        answerTimeoutMs: queryTimeoutMs + 1000,
        applicationName: 'pgkeep',
        throughPooler: true,
      }),
    });
    // An idle connection that breaks leaves the pool by itself; without a listener it would end the process.
    pool.on('error', () => undefined);
    this.rotations.set(pool, rotation);
    return pool;
  }
}

/** Returns a connection of the pool; closes those from before the URL's file was replaced. */
async function currentClient(pool: Pool, rotation: CandidateRotation): Promise<PoolClient> {
  for (;;) {
    const client = await pool.connect();
    if (!isStale(client, rotation)) return client;
    client.release(true);
  }
}

export type { PrismaClient } from '../generated/prisma/client.js';

/**
 * Runs `work` with Prisma's client of pgkeep's own records, on the primary's pool. The client is loaded only
 * here: writing a record is rare, and reading the verdict must not pay for it.
 */
export async function withRecords<T>(
  database: DatabaseService,
  work: (records: PrismaClient) => Promise<T>,
): Promise<T> {
  const [{ PrismaClient: Client }, { PrismaPg }] = await Promise.all([
    import('../generated/prisma/client.js'),
    import('@prisma/adapter-pg'),
  ]);
  const records = new Client({ adapter: new PrismaPg(database.primary, { disposeExternalPool: false }) });
  try {
    return await work(records);
  } finally {
    await records.$disconnect();
  }
}

/**
 * The connection of the readiness checks, kept open between evaluations: an exhausted pool does not affect the verdict.
 * Not for concurrent use.
 */
class ProbeConnection {
  private readonly rotation: CandidateRotation;
  private client: Client | undefined;

  constructor(url: DatabaseUrl) {
    this.rotation = new CandidateRotation(url);
  }

  /**
   * Runs `work` on the connection, opening it first where there is none. Any failure closes the connection, the deadline
   * and an end of the server in between included.
   * @throws DeadlineError after `deadlineMs`; what connecting or `work` throws.
   */
  async use<T>(deadlineMs: number, work: (client: Client) => Promise<T>): Promise<T> {
    let isAbandoned = false;
    // The URL's file was replaced: the password of this connection may be revoked, or the server another.
    if (this.client && isStale(this.client, this.rotation)) await this.close();
    const connected = this.client ? Promise.resolve(this.client) : this.open(deadlineMs);
    const working = connected.then((client) => {
      // Connected too late: this connection must not take the place of one that was opened since.
      if (isAbandoned) throw new DeadlineError(deadlineMs);
      this.client = client;
      return work(client);
    });
    try {
      return await withDeadline(working, deadlineMs);
    } catch (error) {
      isAbandoned = true;
      this.client = undefined;
      connected.then(
        (client) => client.connection.stream.destroy(),
        () => undefined,
      );
      throw error;
    }
  }

  /** Closes the connection; the next use opens another. */
  async close(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) await closeClient(client);
  }

  private async open(deadlineMs: number): Promise<Client> {
    const client = await connectOnce(this.rotation, {
      // Each host gets its share: one that does not answer must leave time for the next.
      connectTimeoutMs: deadlineMs / this.rotation.url.hosts.length,
      answerTimeoutMs: deadlineMs,
      applicationName: 'pgkeep readiness',
      throughPooler: true,
    });
    client.once('end', () => {
      if (this.client === client) this.client = undefined;
    });
    return client;
  }
}
