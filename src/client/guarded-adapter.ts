import { PrismaPg } from '@prisma/adapter-pg';
import type { SqlDriverAdapter, SqlDriverAdapterFactory } from '@prisma/driver-adapter-utils';
import { readClientSettings } from '../config/client-settings.js';
import type { DatabaseUrl } from '../config/database-url.js';
import { urlWithPassword, type PasswordCallback } from '../config/password-source.js';
import type { Environment } from '../config/read-settings.js';
import type { DatabaseSettings } from '../config/settings.js';
import { lockTimeoutMs, type PoolSettings } from '../postgres/connection-pool.js';
import { GuardedPool } from './guarded-pool.js';

/** The pause before the second try; it doubles before the third. A server restarts in about a second. */
const FIRST_PAUSE_MS = 500;
const CLOSE_TIMEOUT_MS = 10_000;

/** Options of a pool. What is not given comes from pgkeep's own settings: `DATABASE_URL`, `DB_QUERY_TIMEOUT` … */
export interface GuardedPoolOptions extends Partial<PoolSettings> {
  /** The database. Defaults to `DATABASE_URL`, in production to `DATABASE_URL_PROD` if that is set. */
  readonly url?: string | undefined;
  /** Where settings are read from. Defaults to the environment of the process. */
  readonly environment?: Environment | undefined;
  /** Returns the password of each new connection to a URL that holds none: a cloud's token, which expires. */
  readonly password?: PasswordCallback | undefined;
  /** Shown in `pg_stat_activity`. Defaults to `application_name` of the URL, or `pgkeep client`. */
  readonly applicationName?: string | undefined;
  /** The longest wait of a statement for a lock, in ms. Defaults to 5,000, or half of the query timeout. */
  readonly lockTimeoutMs?: number | undefined;
  /** When the server ends a transaction that is idle, in ms. Defaults to the query timeout. */
  readonly idleInTransactionTimeoutMs?: number | undefined;
  /** The pause before the second of three tries to connect, in ms; it doubles before the third. Defaults to 500. */
  readonly retryPauseMs?: number | undefined;
  /** How long closing waits for statements and transactions to finish, in ms. Defaults to 10,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/**
 * Returns a `pg.Pool` with the connection rules of pgkeep: its size and timeouts by the settings, `sslmode` as libpq
 * means it, three tries to connect, secrets from files that may be replaced, and an `end()` that waits for running work.
 * @throws PgkeepError `CONFIG_INVALID`
 */
export function createGuardedPool(options: GuardedPoolOptions = {}): GuardedPool {
  const { url, environment } = options;
  const settings = readClientSettings({ url }, environment);
  return poolOf(settings.pooledUrl, settings, options);
}

/**
 * Returns the same as a driver adapter for `new PrismaClient({ adapter })`. `$connect()` fails if the database cannot be
 * reached, and `$disconnect()` waits for running statements.
 * @throws PgkeepError `CONFIG_INVALID`
 */
export function createGuardedAdapter(options: GuardedPoolOptions = {}): GuardedAdapter {
  const { url, environment } = options;
  const settings = readClientSettings({ url }, environment);
  return new GuardedAdapter(() => poolOf(settings.pooledUrl, settings, options));
}

/** Returns an adapter for a read replica, whose sessions are read-only: it may be promoted while they are open. */
export function replicaAdapter(
  url: DatabaseUrl,
  settings: DatabaseSettings,
  options: GuardedPoolOptions,
): GuardedAdapter {
  const readOnly = { default_transaction_read_only: 'on' };
  return new GuardedAdapter(() => poolOf(url, settings, options, readOnly));
}

/** A driver adapter with its own pool. Each `$connect()` after a `$disconnect()` opens another. */
export class GuardedAdapter implements SqlDriverAdapterFactory {
  readonly provider = 'postgres';
  readonly adapterName = '@prisma/adapter-pg';
  private current: GuardedPool | undefined;

  constructor(private readonly openPool: () => GuardedPool) {}

  /** The pool of the client that connected last; undefined before. */
  get pool(): GuardedPool | undefined {
    return this.current;
  }

  /** Connects, with three tries. @throws PgkeepError a `DATABASE_…` code that says what to do. */
  async connect(): Promise<SqlDriverAdapter> {
    const pool = this.openPool();
    try {
      await pool.requireConnection();
    } catch (error) {
      await pool.end();
      throw error;
    }
    this.current = pool;
    return await new PrismaPg(pool, { schema: pool.url.schema, disposeExternalPool: true }).connect();
  }
}

function poolOf(
  url: DatabaseUrl,
  settings: DatabaseSettings,
  options: GuardedPoolOptions,
  more: Readonly<Record<string, string>> = {},
): GuardedPool {
  const { password, closeTimeoutMs = CLOSE_TIMEOUT_MS, retryPauseMs = FIRST_PAUSE_MS } = options;
  const pool = {
    poolSize: options.poolSize ?? settings.poolSize,
    acquireTimeoutMs: options.acquireTimeoutMs ?? settings.acquireTimeoutMs,
    connectTimeoutMs: options.connectTimeoutMs ?? settings.connectTimeoutMs,
    queryTimeoutMs: options.queryTimeoutMs ?? settings.queryTimeoutMs,
    idleTimeoutMs: options.idleTimeoutMs ?? settings.idleTimeoutMs,
    closeTimeoutMs,
  };
  const { queryTimeoutMs } = pool;
  return new GuardedPool(password ? urlWithPassword(url, password) : url, pool, {
    applicationName: options.applicationName ?? url.applicationName ?? 'pgkeep client',
    firstPauseMs: retryPauseMs,
    limits: {
      statement_timeout: String(queryTimeoutMs),
      lock_timeout: String(options.lockTimeoutMs ?? lockTimeoutMs(pool)),
      idle_in_transaction_session_timeout: String(options.idleInTransactionTimeoutMs ?? queryTimeoutMs),
      ...more,
    },
  });
}
