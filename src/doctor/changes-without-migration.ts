import { existsSync } from 'node:fs';
import { type DiffTarget, readMigrationList } from '#prisma-schema-engine-bridge';
import { findTool } from '../backup/postgres-tools.js';
import type { Settings } from '../config/settings.js';
import { externalFilters, withSchemaEngine } from '../migrations/schema-engine.js';
import { readSchemaFiles } from '../migrations/prisma-config/find-prisma-schema.js';
import { startThrowAwayServer } from '../restore/test/throw-away-server.js';

/** No server older than this takes today's migrations; any newer one replays them. */
const LEAST_MAJOR = 13;
/** What a killed check left is removed once it is older than this. */
const LONGEST_MS = 600_000;

/**
 * Returns what the schema files have and the migrations do not make, in Prisma's words; empty where the two agree. The
 * migrations are replayed in a throw-away PostgreSQL of this machine: no other database is asked.
 * @throws PgkeepError `BACKUP_TOOLS_MISSING` where this machine has no server programs, `MIGRATION_FAILED` where the
 *   migrations do not replay.
 */
export async function changesWithoutMigration(
  { migrationsDirectory, prisma, searchPath, database }: Settings,
  files: readonly string[],
  { now, signal }: { now: Date; signal: AbortSignal },
): Promise<string> {
  const { major } = await findTool({ program: 'postgres', atLeastMajor: LEAST_MAJOR, searchPath });
  const server = await startThrowAwayServer(major, {
    searchPath,
    now,
    longestMs: LONGEST_MS,
    bytesNeeded: undefined,
    relations: 0,
  });
  try {
    const contents = await readSchemaFiles(files);
    const datamodels = contents.map(({ path, content }) => [path, content] as const);
    const url = { ...server.url, schema: database.url.schema };
    const from = await migrationsOf(migrationsDirectory, prisma);
    return await withSchemaEngine(url, { datamodels, skipAdvisoryLock: true, signal }, async (engine) => {
      const { stdout } = await engine.run((wasm) =>
        wasm.diff({
          from,
          to: { tag: 'schemaDatamodel', files: contents },
          script: false,
          exitCode: true,
          filters: externalFilters(prisma),
        }),
      );
      return (stdout ?? '').trim();
    });
  } finally {
    await server.close();
  }
}

async function migrationsOf(directory: string, prisma: Settings['prisma']): Promise<DiffTarget> {
  const init = prisma.kind === 'configured' ? prisma.configuration.initShadowDb : '';
  if (existsSync(directory)) return { tag: 'migrations', ...(await readMigrationList(directory, init)) };
  const lockfile = { path: 'migration_lock.toml', content: null };
  return {
    tag: 'migrations',
    baseDir: directory,
    lockfile,
    migrationDirectories: [],
    shadowDbInitScript: init,
  };
}
