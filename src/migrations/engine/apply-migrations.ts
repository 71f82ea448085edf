import type { DatabaseUrl } from '../../config/database-url.js';
import { readMigrationList } from './migration-files.js';
import { SchemaEngine } from './schema-engine.js';

/** Migrations to apply: those of one directory, to one database. */
export interface MigrationsToApply {
  /** The database; its `schema` holds `_prisma_migrations`, and is where the scripts' unqualified names go. */
  readonly database: DatabaseUrl;
  /** A directory as `prisma migrate` writes it: `<name>/migration.sql` and `migration_lock.toml`. */
  readonly directory: string;
  /** Aborting it cancels the statement that runs: its migration is recorded as failed. */
  readonly signal?: AbortSignal;
}

/**
 * Applies the pending migrations of a directory, in order, as `prisma migrate deploy` does; the PostgreSQL
 * schema is made when it is missing, the database is not. Runs that meet wait for each other up to 10 s.
 * @returns the names of the migrations applied, in order: empty when there was nothing to do.
 * @throws SchemaEngineError with Prisma's code, and the migration, SQLSTATE and message of the database where
 *   there are: `P3018` when a script fails, `P3009` when one failed before, `P1002` when another run takes long.
 */
export async function applyMigrations({
  database,
  directory,
  signal,
}: MigrationsToApply): Promise<readonly string[]> {
  const migrationsList = await readMigrationList(directory);
  const engine = await SchemaEngine.open(database);
  const cancel = (): void => void engine.cancel();
  signal?.addEventListener('abort', cancel);
  try {
    const filters = { externalTables: [], externalEnums: [] };
    const { appliedMigrationNames } = await engine.run((wasm) =>
      wasm.applyMigrations({ migrationsList, filters }),
    );
    return appliedMigrationNames;
  } finally {
    signal?.removeEventListener('abort', cancel);
    await engine.close();
  }
}

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
