import { escapeIdentifier } from 'pg';
import { type EngineDatabase, withClient } from '../engine-database.js';
import { errorCode, messageOf, SchemaEngineError, statementFailure } from '../errors.js';
import type { OpenEngines } from './open-engines.js';

/** Databases that exist when the application's does not, in the order in which Prisma tries them. */
const MAINTENANCE_DATABASES = ['postgres', 'template1'];
const DUPLICATE_DATABASE = '42P04';

/**
 * Does what `schema-engine cli <command>` does.
 * @returns what to log.
 * @throws SchemaEngineError when it fails; Error for a command that the engine does not have.
 */
export async function runCommand(command: string, engines: OpenEngines): Promise<string> {
  const database = engines.database();
  switch (command) {
    case 'can-connect-to-database':
      await withClient(database, async () => undefined);
      return 'Connection successful';
    case 'create-database':
      return `Database '${await createDatabase(database)}' was successfully created.`;
    case 'drop-database':
      await onServer(database, `DROP DATABASE ${escapeIdentifier(database.name)} WITH (FORCE)`);
      return 'The database was successfully dropped.';
    default:
      throw new Error(`The schema engine has no command ${command}`);
  }
}

/**
 * Creates a database, and in it the PostgreSQL schema.
 * @returns the database's name.
 * @throws SchemaEngineError `P1009` when it exists, `P3000` when the role may not create it.
 */
export async function createDatabase(database: EngineDatabase): Promise<string> {
  await onServer(database, `CREATE DATABASE ${escapeIdentifier(database.name)}`);
  await withClient(database, (client) =>
    client.query(`CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(database.schema)}`),
  );
  return database.name;
}

/** Runs a script unsplit. @throws SchemaEngineError with PostgreSQL's message and the position in the script. */
export async function executeScript(database: EngineDatabase, script: string): Promise<void> {
  await withClient(database, async (client) => {
    try {
      await client.query(`SET search_path TO ${escapeIdentifier(database.schema)}`);
      await client.query(script);
    } catch (cause) {
      const { code, message, text } = statementFailure(cause, script);
      throw new SchemaEngineError(text, { sqlState: code, databaseMessage: message, cause });
    }
  });
}

async function onServer(database: EngineDatabase, sql: string): Promise<void> {
  for (const name of MAINTENANCE_DATABASES) {
    try {
      await withClient(database.sibling(name), (client) => client.query(sql));
      return;
    } catch (thrown) {
      if (thrown instanceof SchemaEngineError && ['P1003', 'P1010'].includes(thrown.prismaCode ?? ''))
        continue;
      throw administrationError(thrown, database.name);
    }
  }
  throw new SchemaEngineError(
    `Failed to create database: could not connect to a default database (${MAINTENANCE_DATABASES.join(', ')})`,
    { prismaCode: 'P3000' },
  );
}

function administrationError(cause: unknown, database: string): SchemaEngineError {
  if (cause instanceof SchemaEngineError) return cause;
  const sqlState = errorCode(cause);
  const databaseMessage = messageOf(cause);
  if (sqlState === DUPLICATE_DATABASE) {
    const text = `Database \`${database}\` already exists on the database server`;
    return new SchemaEngineError(text, { prismaCode: 'P1009', sqlState, cause });
  }
  const text = `Failed to create database: ${databaseMessage}`;
  return new SchemaEngineError(text, { prismaCode: 'P3000', sqlState, databaseMessage, cause });
}
