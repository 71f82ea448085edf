import { Client } from 'pg';
import type { DatabaseUrl } from '../../config/database-url.js';
import { errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import type { ConnectionOptions } from '../../postgres/candidate-client.js';
import { CandidateRotation } from '../../postgres/candidate-rotation.js';
import { closeClient, connectOnce } from '../../postgres/connect.js';
import { databaseFault } from '../../postgres/database-fault.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { SchemaEngineError } from './schema-engine-error.js';

/** How long a connection may take when the URL does not say (`connect_timeout`); Prisma's own default. */
const CONNECT_TIMEOUT_MS = 5000;

/** How the engine connects: patiently once connected, since a migration may take hours. */
export function engineConnectionOptions(url: DatabaseUrl): ConnectionOptions {
  return {
    connectTimeoutMs: url.connectTimeoutMs || CONNECT_TIMEOUT_MS,
    answerTimeoutMs: 0,
    applicationName: 'pgkeep schema engine',
    purpose: 'scripts',
  };
}

/**
 * Does one thing on a connection of its own, then closes it.
 * @throws SchemaEngineError with Prisma's code when it cannot connect; else what `work` throws.
 */
export async function withEngineClient<T>(
  url: DatabaseUrl,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = await connectEngineClient(url, new CandidateRotation(url));
  try {
    return await work(client);
  } finally {
    await closeClient(client);
  }
}

/**
 * Connects, and leaves the rotation on what worked (host, with or without TLS).
 * @throws SchemaEngineError with Prisma's code: `P1000` wrong password, `P1001` out of reach…
 */
export async function connectEngineClient(url: DatabaseUrl, rotation: CandidateRotation): Promise<Client> {
  try {
    return await connectOnce(rotation, engineConnectionOptions(url));
  } catch (thrown) {
    // What pgkeep itself refuses has its own text.
    throw thrown instanceof PgkeepError ? thrown : connectionError(thrown, url);
  }
}

/**
 * Turns what connecting throws into the error that Prisma prints for it. Its text names the server, the
 * database or the user; never the password.
 */
function connectionError(thrown: unknown, url: DatabaseUrl): SchemaEngineError {
  const { code: fault } = databaseFault(thrown);
  const code = errorCode(thrown);
  const cause = messageOf(thrown);
  const failed = (prismaCode: string, message: string) =>
    new SchemaEngineError(message, { prismaCode, sqlState: code, databaseMessage: cause, cause: thrown });

  if (code === SQLSTATE.invalidPassword) {
    // A client that is never connected: it knows whom node-postgres takes where the URL names no user.
    const { user } = new Client({ user: url.user });
    return failed(
      'P1000',
      `Authentication failed against database server, the provided database credentials for \`${user}\` are ` +
        'not valid.\n\nPlease make sure to provide valid database credentials for the database server at the ' +
        'configured address.',
    );
  }
  if (code === SQLSTATE.invalidCatalogName)
    return failed('P1003', `Database \`${url.database}\` does not exist`);
  if (code === SQLSTATE.invalidAuthorizationSpecification || code === SQLSTATE.insufficientPrivilege) {
    return failed('P1010', `User was denied access on the database \`${url.database}\``);
  }
  if (fault === 'DATABASE_TOO_MANY_CONNECTIONS') {
    return failed('P2037', `Too many database connections opened: ${cause}`);
  }
  if (fault === 'DATABASE_TLS_FAILED') return failed('P1011', `Error opening a TLS connection: ${cause}`);
  // Everything else (refused, unknown host, timeout, a server that is starting) is a server out of reach.
  const server = url.hosts
    .map(({ host, port }) => (host.startsWith('/') ? host : `${host}:${port}`))
    .join(',');
  return failed(
    'P1001',
    `Can't reach database server at \`${server}\`\n\nPlease make sure your database server is running at \`${server}\`.`,
  );
}
