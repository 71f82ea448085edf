import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { MigrationDirectory, MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';
import type { EngineDatabase } from './engine-database.js';
import { messageOf } from './errors.js';
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

const LOCK_FILE = 'migration_lock.toml';

const SCRIPT = 'migration.sql';

/**
 * Reads a migrations directory the way Prisma's CLI does: every directory in it is a migration, in the order
 * of their names. One without `migration.sql` is kept: the engine refuses it (`P3015`) when it would apply it.
 * @param initShadowDb SQL for a shadow database, before the migrations are replayed there
 * @throws the system's error when there is no such directory.
 */
export async function readMigrationList(baseDir: string, initShadowDb = ''): Promise<MigrationList> {
  const entries = await readdir(baseDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const migrations = names
    .toSorted((one, other) => one.localeCompare(other))
    .map(async (name) => readMigration(baseDir, name));
  return {
    baseDir,
    lockfile: { path: LOCK_FILE, content: await lockFileContent(path.join(baseDir, LOCK_FILE)) },
    migrationDirectories: await Promise.all(migrations),
    shadowDbInitScript: initShadowDb,
  };
}

async function readMigration(baseDir: string, name: string): Promise<MigrationDirectory> {
  const file = path.join(baseDir, name, SCRIPT);
  try {
    return {
      path: name,
      migrationFile: { path: SCRIPT, content: { tag: 'ok', value: await readFile(file, 'utf8') } },
    };
  } catch (thrown) {
    return {
      path: name,
      migrationFile: { path: SCRIPT, content: { tag: 'error', value: messageOf(thrown) } },
    };
  }
}

/** Returns null without a lock file: the engine then does not check which database the migrations are for. */
async function lockFileContent(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return null;
  }
}
