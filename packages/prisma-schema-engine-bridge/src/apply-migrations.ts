import type { EngineDatabase } from './engine-database.js';
import { readMigrationList } from './migration-files.js';
import { SchemaEngine } from './schema-engine.js';

/** Migrations to apply: those of one directory, to one database. */
export interface MigrationsToApply {
  readonly database: EngineDatabase;
  /** A directory as `prisma migrate` writes it: `<name>/migration.sql` and `migration_lock.toml`. */
  readonly directory: string;
  /** Aborting it cancels the statement that runs: its migration is recorded as failed. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Applies the pending migrations of a directory, in order, as `prisma migrate deploy` does. Creates the PostgreSQL
 * schema when it is missing, but not the database. Concurrent runs wait for each other for up to 10 s.
 * @returns the names of the migrations applied, in order: empty when there was nothing to do.
 * @throws SchemaEngineError with Prisma's code, and where there are any the migration and the database's SQLSTATE and
 *   message: `P3018` when a script fails, `P3009` when one failed before, `P1002` when another run takes too long.
 */
export async function applyMigrations({
  database,
  directory,
  signal,
}: MigrationsToApply): Promise<readonly string[]> {
  const migrationsList = await readMigrationList(directory);
  return await SchemaEngine.use(database, { signal }, async (engine) => {
    const filters = { externalTables: [], externalEnums: [] };
    const { appliedMigrationNames } = await engine.run((wasm) =>
      wasm.applyMigrations({ migrationsList, filters }),
    );
    return appliedMigrationNames;
  });
}

/** The state that the history gets for a migration. */
export type Mark = 'applied' | 'rolled back';

/**
 * Marks a migration in the history without running anything, as `prisma migrate resolve` does: a failed attempt as
 * rolled back; or a migration as applied, started or not.
 * @throws SchemaEngineError `P3008` already applied, `P3011` never started, `P3012` not failed, `P3017` not in the directory.
 */
export async function markMigration(
  { database, directory, migration }: Omit<MigrationsToApply, 'signal'> & { readonly migration: string },
  mark: Mark,
): Promise<void> {
  const migrationsList = await readMigrationList(directory);
  await SchemaEngine.use(database, {}, async (engine) => {
    await engine.run(async (wasm) => {
      if (mark === 'applied') await wasm.markMigrationApplied({ migrationName: migration, migrationsList });
      else await wasm.markMigrationRolledBack({ migrationName: migration });
    });
  });
}
