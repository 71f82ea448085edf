import { escapeIdentifier } from 'pg';
import type { DatabaseUrl } from '../../../config/database-url.js';
import { errorCode, messageOf } from '../../../core/errors.js';
import { withEngineClient } from '../engine-connection.js';
import { SchemaEngineError } from '../schema-engine-error.js';
import { statementFailure } from '../statement-failure.js';
import type { OpenEngines } from './open-engines.js';

/** Databases that are there when the application's is not, in the order in which Prisma tries them. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'];
const DUPLICATE_DATABASE = '42P04';

/** @throws SchemaEngineError `P1000`, `P1001`, `P1003`… when the database does not let us in. */
export async function canConnect(database: DatabaseUrl): Promise<void> {
  await withEngineClient(database, async () => undefined);
}

/**
 * Makes the URL's database, and in it the URL's PostgreSQL schema.
 * @returns the database's name.
 * @throws SchemaEngineError `P1009` when it exists, `P3000` when the role may not make it.
 */
export async function createDatabase(url: DatabaseUrl): Promise<string> {
  await atServer(url, `CREATE DATABASE ${escapeIdentifier(url.database)}`);
  await withEngineClient(url, (client) =>
    client.query(`CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(url.schema)}`),
  );
  return url.database;
}

/** Drops the URL's database, whoever is connected to it. @throws SchemaEngineError when it cannot. */
export async function dropDatabase(url: DatabaseUrl): Promise<void> {
  await atServer(url, `DROP DATABASE ${escapeIdentifier(url.database)} WITH (FORCE)`);
}

/** Runs a script as it is. @throws SchemaEngineError with PostgreSQL's message and the place in the script. */
export async function executeScript(database: DatabaseUrl, script: string): Promise<void> {
  await withEngineClient(database, async (client) => {
    try {
      await client.query(`SET search_path TO ${escapeIdentifier(database.schema)}`);
      await client.query(script);
    } catch (cause) {
      const { code, message, text } = statementFailure(cause, script);
      throw new SchemaEngineError(text, { sqlState: code, databaseMessage: message, cause });
    }
  });
}

async function atServer(url: DatabaseUrl, sql: string): Promise<void> {
  for (const database of MAINTENANCE_DATABASES) {
    try {
      await withEngineClient({ ...url, database }, (client) => client.query(sql));
      return;
    } catch (thrown) {
      if (thrown instanceof SchemaEngineError && ['P1003', 'P1010'].includes(thrown.prismaCode ?? ''))
        continue;
      throw administrationError(thrown, url);
    }
  }
  throw new SchemaEngineError(
    `Failed to create database: could not connect to a default database (${MAINTENANCE_DATABASES.join(', ')})`,
    { prismaCode: 'P3000' },
  );
}

function administrationError(cause: unknown, { database }: DatabaseUrl): SchemaEngineError {
  if (cause instanceof SchemaEngineError) return cause;
  const sqlState = errorCode(cause);
  if (sqlState === DUPLICATE_DATABASE) {
    const text = `Database \`${database}\` already exists on the database server`;
    return new SchemaEngineError(text, { prismaCode: 'P1009', sqlState, cause });
  }
  const text = `Failed to create database: ${messageOf(cause)}`;
  return new SchemaEngineError(text, {
    prismaCode: 'P3000',
    sqlState,
    databaseMessage: messageOf(cause),
    cause,
  });
}

/**
 * Does what `schema-engine cli <command>` does.
 * @returns what to log.
 * @throws SchemaEngineError when it fails; Error for a command that the engine does not have.
 */
export async function runCommand(command: string, engines: OpenEngines): Promise<string> {
  const database = engines.database();
  switch (command) {
    case 'can-connect-to-database':
      await canConnect(database);
      return 'Connection successful';
    case 'create-database':
      return `Database '${await createDatabase(database)}' was successfully created.`;
    case 'drop-database':
      await dropDatabase(database);
      return 'The database was successfully dropped.';
    default:
      throw new Error(`The schema engine has no command ${command}`);
  }
}
