/** The executable that Prisma's CLI takes for its native schema engine (`bin/schema-engine` starts it). */
import { runSchemaEngine, SchemaEngineError } from '#prisma-schema-engine-bridge';
import { parseDatabaseUrl } from './config/database-url.js';
import { messageOf } from './core/errors.js';
import { engineDatabase } from './migrations/schema-engine.js';

await runSchemaEngine(process, (url) => {
  try {
    return engineDatabase(parseDatabaseUrl(url));
  } catch (cause) {
    const message = `The provided database string is invalid: ${messageOf(cause)}`;
    throw new SchemaEngineError(message, { prismaCode: 'P1013', cause });
  }
});
