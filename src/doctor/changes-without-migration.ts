import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { DiffTarget } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { findTool } from '../backup/postgres-tools.js';
import type { Settings } from '../config/settings.js';
import { readMigrationList } from '../migrations/engine/migration-files.js';
import { SchemaEngine } from '../migrations/engine/schema-engine.js';
import { externalFilters } from '../migrations/prisma-config/externals.js';
import { startThrowAwayServer } from '../restore/test/throw-away-server.js';

/** No server older than this takes today's migrations; any newer one replays them. */
const LEAST_MAJOR = 13;
/** What a killed check left is removed once it is older than this. */
const LONGEST_MS = 600_000;

/**
 * Returns what the schema files have and the migrations do not make, in Prisma's words; empty where the two agree. The
 * migrations are replayed in a throw-away PostgreSQL of this machine: no other database is asked.
 * @throws PgkeepError `BACKUP_TOOLS_MISSING` where this machine has no server programs; SchemaEngineError where the
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
    const contents = await Promise.all(
      files.map(async (path) => ({ path, content: await readFile(path, 'utf8') })),
    );
    const engine = await SchemaEngine.open(
      { ...server.url, schema: database.url.schema },
      { datamodels: contents.map(({ path, content }) => [path, content] as const), skipAdvisoryLock: true },
    );
    const cancel = (): void => void engine.cancel();
    signal.addEventListener('abort', cancel);
    try {
      const from = await migrationsOf(migrationsDirectory, prisma);
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
    } finally {
      signal.removeEventListener('abort', cancel);
      await engine.close();
    }
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
