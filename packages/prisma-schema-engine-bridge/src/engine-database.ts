import type { Client } from 'pg';
import { errorCode, messageOf, SchemaEngineError } from './errors.js';

/**
 * A PostgreSQL database as the engine reaches it. `nodePostgresDatabase` makes one from a URL; an application that
 * connects in its own way (several hosts, tokens that expire) brings its own.
 */
export interface EngineDatabase {
  readonly name: string;
  /** The PostgreSQL schema that holds `_prisma_migrations`, and to which unqualified names belong. */
  readonly schema: string;
  /** Returns another database of the same server. */
  sibling(name: string): EngineDatabase;
  /** Returns a connector that has not connected yet. */
  connector(): Connector;
  /** Returns the error to report when connecting failed: `connectionError` makes Prisma's. */
  explain(thrown: unknown): Error;
}

/** Opens connections to one database. */
export interface Connector {
  /** Opens a connection, trying each way there is (host, with or without TLS). */
  connect(): Promise<Client>;
  /** The class of connections that are opened as the latest one was. */
  readonly Client: new () => Client;
}

/** What `connectionError` names in its texts. */
export interface ConnectionTarget {
  readonly user: string;
  readonly database: string;
  /** `host:port`, or the directory of a Unix socket. */
  readonly server: string;
}

/** How long the server has to close a connection before the socket is closed, in ms. */
const CLOSE_MS = 500;

/** Runs `work` on a dedicated connection, then closes it. @throws what `explain` makes of a failure to connect. */
export async function withClient<T>(
  database: EngineDatabase,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await openClient(database, database.connector());
  try {
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

/** Opens a connection. @throws what `explain` makes of a failure. */
export async function openClient(database: EngineDatabase, connector: Connector): Promise<Client> {
  try {
    return await connector.connect();
  } catch (thrown) {
    throw database.explain(thrown);
  }
}

/** Closes a connection, even while a statement runs or the server does not answer. */
export async function closeClient(client: Client): Promise<void> {
  const hangUp = setTimeout(() => client.connection.stream.destroy(), CLOSE_MS);
  try {
    await client.end();
  } catch {
    client.connection.stream.destroy();
  } finally {
    clearTimeout(hangUp);
  }
}

/**
 * Turns what node-postgres throws when it cannot connect into the error that Prisma prints for it. Its text names
 * the server, the database or the user, never the password.
 */
export function connectionError(
  thrown: unknown,
  { user, database, server }: ConnectionTarget,
): SchemaEngineError {
  const code = errorCode(thrown);
  const cause = messageOf(thrown);
  const failed = (prismaCode: string, message: string) =>
    new SchemaEngineError(message, { prismaCode, sqlState: code, databaseMessage: cause, cause: thrown });

  if (code === '28P01') {
    return failed(
      'P1000',
      `Authentication failed against database server, the provided database credentials for \`${user}\` are ` +
        'not valid.\n\nPlease make sure to provide valid database credentials for the database server at the ' +
        'configured address.',
    );
  }
  if (code === '3D000') return failed('P1003', `Database \`${database}\` does not exist`);
  if (code === '28000' || code === '42501') {
    return failed('P1010', `User was denied access on the database \`${database}\``);
  }
  if (code === '53300') return failed('P2037', `Too many database connections opened: ${cause}`);
  if (/\b(?:SSL|TLS|certificate)\b/i.test(cause)) {
    return failed('P1011', `Error opening a TLS connection: ${cause}`);
  }
  // Everything else (refused, unknown host, timeout, a server that is starting): the server cannot be reached.
  return failed(
    'P1001',
    `Can't reach database server at \`${server}\`\n\nPlease make sure your database server is running at \`${server}\`.`,
  );
}
