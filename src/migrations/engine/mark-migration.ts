import type { DatabaseUrl } from '../../config/database-url.js';
import { readMigrationList } from './migration-files.js';
import { SchemaEngine } from './schema-engine.js';

/** How the history is to have a migration. */
export type Mark = 'applied' | 'rolled back';

/**
 * Marks a migration in the history without running anything, as `prisma migrate resolve` does: a failed attempt as
 * rolled back; or as applied, whether it was begun or not.
 * @throws SchemaEngineError `P3008` applied already, `P3011` never begun, `P3012` not failed, `P3017` not in the directory.
 */
export async function markMigration(
  { database, directory, migration }: { database: DatabaseUrl; directory: string; migration: string },
  mark: Mark,
): Promise<void> {
  const migrationsList = await readMigrationList(directory);
  const engine = await SchemaEngine.open(database);
  try {
    await engine.run(async (wasm) => {
      if (mark === 'applied') await wasm.markMigrationApplied({ migrationName: migration, migrationsList });
      else await wasm.markMigrationRolledBack({ migrationName: migration });
    });
  } finally {
    await engine.close();
  }
}
