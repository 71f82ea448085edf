import { ColumnTypeEnum, type SqlResultSet } from '@prisma/driver-adapter-utils';
import { type Client, type ClientBase, escapeIdentifier, Pool } from 'pg';
import type { DatabaseUrl } from '../../config/database-url.js';
import { candidateClient } from '../../postgres/candidate-client.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { closeClient } from '../../postgres/connect.js';
import { oneMessage } from '../../postgres/mark.js';
import { connectEngineClient, engineConnectionOptions, withEngineClient } from './engine-connection.js';

/** The stock adapter writes times without their zone and reads them without it: both in UTC, and the ISO way. */
const MEANT_BY_PRISMA = ["SET timezone = 'UTC'", "SET datestyle = 'ISO'", "SET intervalstyle = 'postgres'"];
/** As the database or the role has them: a script may turn times into text, or text into times. */
const MEANT_BY_SCRIPTS = ['RESET timezone', 'RESET datestyle', 'RESET intervalstyle'];

/**
 * A pool of exactly one session, which is how the stock adapter wants a single connection. One, because the
 * engine's advisory lock belongs to the session that took it.
 */
export class SessionPool {
  readonly pool: Pool;
  readonly charColumns = new CharColumns();
  private readonly clients = new Set<Client>();
  private pid = 0;

  private constructor(
    private readonly url: DatabaseUrl,
    rotation: CandidateRotation,
  ) {
    this.pool = new Pool({
      Client: candidateClient(rotation, engineConnectionOptions(url)),
      max: 1,
      idleTimeoutMillis: 0,
      // oxlint-disable-next-line typescript/no-misused-promises -- node-postgres awaits it; its types do not tell
      onConnect: async (client) => this.prepare(client),
    });
    // A session that breaks while idle is told by the next statement; unhandled, the event ends the process.
    this.pool.on('error', () => undefined);
    this.pool.on('connect', (client) => {
      this.clients.add(client);
      this.charColumns.watch(client);
    });
  }

  /** @throws SchemaEngineError with Prisma's code: `P1000` wrong password, `P1001` out of reach… */
  static async open(url: DatabaseUrl): Promise<SessionPool> {
    const rotation = new CandidateRotation(url);
    // The pool tries one candidate only: find the one that works first.
    await closeClient(await connectEngineClient(url, rotation));
    return new SessionPool(url, rotation);
  }

  /**
   * Runs `work`, which sends a script, with the database's own way of writing dates.
   * @throws what `work` throws.
   */
  async forScript<T>(work: () => Promise<T>): Promise<T> {
    await this.send(oneMessage(...MEANT_BY_SCRIPTS));
    try {
      return await work();
    } finally {
      // A session that broke, or was left in a failed transaction, fails here; the first failure is the one to tell.
      await this.send(oneMessage(...MEANT_BY_PRISMA)).catch(() => undefined);
    }
  }

  /** Sends SQL unsplit, as one simple query: one implicit transaction, where it does not end that itself. */
  async send(sql: string): Promise<void> {
    const client = await this.pool.connect();
    try {
      // Without parameters this is PostgreSQL's simple query: one message, one implicit transaction.
      await client.query(sql);
    } finally {
      client.release();
    }
  }

  /**
   * Asks PostgreSQL to cancel what the session is running. The statement then fails in the ordinary way: its
   * script is rolled back and the migration is recorded as failed. Nothing happens when nothing is running.
   */
  async cancelStatement(): Promise<void> {
    await withEngineClient(this.url, (client) => client.query('SELECT pg_cancel_backend($1)', [this.pid]));
  }

  /** Ends the session, also in the middle of a statement: waiting for a lock must not keep it open. */
  async end(): Promise<void> {
    await Promise.all([...this.clients].map(closeClient));
    await this.pool.end();
  }

  private async prepare(client: ClientBase): Promise<void> {
    // Scripts of a migration name tables without their schema. A statement rather than a start-up option,
    // because connection poolers refuse those.
    await client.query(
      oneMessage(`SET search_path TO ${escapeIdentifier(this.url.schema)}`, ...MEANT_BY_PRISMA),
    );
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    this.pid = rows[0]?.pid ?? 0;
  }
}

const CHAR_OID = 18;

const TEXT_OID = 25;

/**
 * Makes columns of type `"char"` readable, of which pg_catalog is full: the stock adapter refuses the type, and
 * Prisma's engine insists on it. The adapter is told that they are text, the engine what they really are.
 */
class CharColumns {
  private latest: ReadonlySet<number> = new Set();

  /** Watches what a client's queries return. */
  watch(client: Client): void {
    // Before node-postgres' own listener, so that the query already sees the changed type.
    client.connection.prependListener('rowDescription', (message: unknown) => {
      this.latest = hasFields(message) ? replaceCharType(message.fields) : new Set();
    });
  }

  /** Gives the columns of the latest result their type back. */
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
