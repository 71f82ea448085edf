import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { type DatabaseUrl, describeDatabaseUrl } from '../config/database-url.js';
import type { DatabaseSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import type { PrismaClient } from '../generated/prisma/client.js';
import { withConnection } from './connect.js';
import { ConnectionPool, lockTimeoutMs } from './connection-pool.js';
import { databaseError } from './database-fault.js';
import { ProbeConnection } from './probe-connection.js';
import { read, type ReadTimeouts } from './read.js';
import { readServerFacts, type ServerFacts } from './server-facts.js';

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

  constructor(@Inject(SETTINGS) settings: Settings) {
    this.settings = settings.database;
    const { url, pooledUrl } = this.settings;
    this.primary = this.createPool(url);
    this.front = pooledUrl === url ? this.primary : this.createPool(pooledUrl);
    this.replica = this.settings.replicaUrl && this.createPool(this.settings.replicaUrl);
    this.probe = new ProbeConnection(pooledUrl, 'pgkeep readiness');
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
    const client = await pool.connect();
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
      lockTimeoutMs: lockTimeoutMs(this.settings),
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
    return new ConnectionPool(url, this.settings, { applicationName: 'pgkeep' });
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
