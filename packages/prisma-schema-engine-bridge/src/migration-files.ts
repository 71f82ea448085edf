import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { MigrationDirectory, MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { messageOf } from './errors.js';

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
