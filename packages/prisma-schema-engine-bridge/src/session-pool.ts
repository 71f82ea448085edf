import { ColumnTypeEnum, type SqlResultSet } from '@prisma/driver-adapter-utils';
import { escapeIdentifier, Pool, type Client, type ClientBase, type PoolConfig } from 'pg';
import {
  closeClient,
  openClient,
  withClient,
  type Connector,
  type EngineDatabase,
} from './engine-database.js';

/** The stock adapter writes times without their zone and reads them without it: both in UTC, and in ISO style. */
const FOR_PRISMA = `
  SELECT pg_catalog.set_config('timezone', 'UTC', false), pg_catalog.set_config('datestyle', 'ISO', false),
         pg_catalog.set_config('intervalstyle', 'postgres', false)`;
/** As the database or the role has them: a script may turn times into text, or text into times. */
const FOR_SCRIPTS = `
  SELECT pg_catalog.set_config(name, reset_val, false) FROM pg_catalog.pg_settings
   WHERE pg_catalog.lower(name) IN ('timezone', 'datestyle', 'intervalstyle')`;

/** The settings of a pool; node-postgres awaits `onConnect`, which its types do not say. */
interface SessionPoolConfig extends Omit<PoolConfig, 'onConnect'> {
  readonly onConnect: (client: ClientBase) => Promise<void>;
}

/**
 * A pool of exactly one session: the stock adapter takes a pool, and the engine's advisory lock belongs to the session
 * that took it.
 */
export class SessionPool {
  readonly pool: Pool;
  readonly charColumns = new CharColumns();
  private readonly clients = new Set<Client>();
  private pid = 0;

  private constructor(
    private readonly database: EngineDatabase,
    connector: Connector,
  ) {
    const config: SessionPoolConfig = {
      Client: connector.Client,
      max: 1,
      idleTimeoutMillis: 0,
      onConnect: async (client) => this.prepare(client),
    };
    this.pool = new Pool(config);
    // A session that breaks while idle is reported by the next statement; unhandled, the event ends the process.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (client) => {
      this.clients.add(client);
      this.charColumns.watch(client);
    });
  }

  /** @throws SchemaEngineError with Prisma's code: `P1000` wrong password, `P1001` not reachable… */
  static async open(database: EngineDatabase): Promise<SessionPool> {
    const connector = database.connector();
    // The pool tries one way to connect: find the one that works first.
    await closeClient(await openClient(database, connector));
    return new SessionPool(database, connector);
  }

  /**
   * Runs `work`, which sends a script, with the database's own date and time settings.
   * @throws what `work` throws.
   */
  async forScript<T>(work: () => Promise<T>): Promise<T> {
    await this.send(FOR_SCRIPTS);
    try {
      return await work();
    } finally {
      // Fails in a session that broke, or is in a failed transaction; the first failure is the one to report.
      await this.send(FOR_PRISMA).catch(() => undefined);
    }
  }

  /** Sends SQL unsplit, as one simple query: one implicit transaction, unless it ends that itself. */
  async send(sql: string): Promise<void> {
    const client = await this.pool.connect();
    try {
      // Without parameters node-postgres uses the simple query protocol.
      await client.query(sql);
    } finally {
      client.release();
    }
  }

  /**
   * Asks PostgreSQL to cancel what the session is running. The statement then fails in the ordinary way: its
   * script is rolled back and the migration is recorded as failed. Does nothing when nothing is running.
   */
  async cancelStatement(): Promise<void> {
    await withClient(this.database, (client) => client.query('SELECT pg_cancel_backend($1)', [this.pid]));
  }

  /** Ends the session, even while a statement runs: one that waits for a lock must not keep it open. */
  async end(): Promise<void> {
    await Promise.all([...this.clients].map(closeClient));
    await this.pool.end();
  }

  private async prepare(client: ClientBase): Promise<void> {
    // A migration's scripts name tables without their schema. A statement rather than a start-up option, because
    // connection poolers refuse those.
    const { rows } = await client.query<{ pid: number }>(
      `${FOR_PRISMA}, pg_catalog.set_config('search_path', $1, false), pg_catalog.pg_backend_pid() AS pid`,
      [escapeIdentifier(this.database.schema)],
    );
    this.pid = rows[0]?.pid ?? 0;
  }
}

const CHAR_OID = 18;
const TEXT_OID = 25;

/**
 * Makes columns of type `"char"` readable, of which pg_catalog has many: the stock adapter refuses the type, and
 * Prisma's engine insists on it. The adapter sees them as text, the engine as what they are.
 */
export class CharColumns {
  private latest: ReadonlySet<number> = new Set();

  /** Watches the results of a client's queries. */
  watch(client: Client): void {
    // Before node-postgres' own listener, so that the query already sees the changed type.
    client.connection.prependListener('rowDescription', (message: unknown) => {
      this.latest = hasFields(message) ? replaceCharType(message.fields) : new Set();
    });
  }

  /** Restores the type of the columns of the latest result. */
  restore(result: SqlResultSet): SqlResultSet {
    const columnTypes = result.columnTypes.map((type, column) =>
      this.latest.has(column) ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  }
}

/** @returns the columns whose type was replaced. */
function replaceCharType(fields: readonly unknown[]): ReadonlySet<number> {
  const replaced = new Set<number>();
  for (const [column, field] of fields.entries()) {
    if (!isField(field) || field.dataTypeID !== CHAR_OID) continue;
    field.dataTypeID = TEXT_OID;
    replaced.add(column);
  }
  return replaced;
}

function hasFields(message: unknown): message is { fields: unknown[] } {
  return (
    typeof message === 'object' && message !== null && 'fields' in message && Array.isArray(message.fields)
  );
}

function isField(field: unknown): field is { dataTypeID: number } {
  return typeof field === 'object' && field !== null && 'dataTypeID' in field;
}
