import { canConnect, createDatabase, dropDatabase } from './database-commands.js';
import type { OpenEngines } from './open-engines.js';

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
