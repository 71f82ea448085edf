import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findTool } from '../../backup/postgres-tools.js';
import { Cluster } from '../../cluster/cluster.js';
import { isRunning } from '../../cluster/postmaster.js';
import { parseDatabaseUrl } from '../../config/database-url.js';
import { PgkeepError } from '../../core/errors.js';
import { freeSpaceOf, requireSpace } from '../server/free-space.js';
import type { ScratchServer } from './restore-test.types.js';

const PREFIX = 'pgkeep-restore-test-';

const CONNECTIONS = 20;

/** Nothing of it has to survive: no syncing, no log for a crash, room for index builds. */
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '16GB',
  checkpoint_timeout: '1h',
  autovacuum: 'off',
  shared_buffers: '128MB',
  maintenance_work_mem: '256MB',
  work_mem: '64MB',
  max_connections: String(CONNECTIONS),
} as const;

/** PostgreSQL's own default. */
const LEAST_LOCKS = 64;

/**
 * Returns max_locks_per_transaction for a database of so many tables, indexes and sequences: PostgreSQL multiplies it
 * by the connections. A query on a partitioned table locks all its partitions and their indexes, and two such queries
 * run at a time. Pure.
 */
export function locksPerTransaction(relations: number): number {
  return Math.max(LEAST_LOCKS, Math.ceil((relations * 2) / CONNECTIONS));
}

export interface ThrowAwayOptions {
  readonly searchPath: string;
  readonly now: Date;
  /** The longest that any restore test takes. */
  readonly longestMs: number;
  /** Free space that the restored database takes; undefined where that is not known. */
  readonly bytesNeeded: number | undefined;
  /** How many tables, indexes and sequences will be restored. */
  readonly relations: number;
}

/**
 * Starts a PostgreSQL of our own, of the same major version as the one that was dumped, in a temporary directory.
 * It dies with this process.
 * @throws PgkeepError `SCRATCH_UNAVAILABLE` naming the package to install, `CLUSTER_FAILED`.
 */
export async function startThrowAwayServer(
  dumpedMajor: number,
  { searchPath, now, longestMs, bytesNeeded, relations }: ThrowAwayOptions,
): Promise<ScratchServer> {
  clearLeftovers(now, longestMs);
  const postgres = await findServerProgram(dumpedMajor, searchPath);
  requireSpace(await freeSpaceOf(tmpdir()), {
    bytes: bytesNeeded,
    code: 'SCRATCH_UNAVAILABLE',
    operation: 'Nowhere to test a restore',
  });
  const directory = mkdtempSync(path.join(tmpdir(), PREFIX));
  // The unprivileged user that PostgreSQL runs as must be able to pass through, where this runs as root.
  chmodSync(directory, 0o711);
  try {
    const cluster = await Cluster.start({
      directory: path.join(directory, 'cluster'),
      binaries: { bin: path.dirname(postgres.file), libraryPath: postgres.libraryPath },
      settings: { ...SETTINGS, max_locks_per_transaction: String(locksPerTransaction(relations)) },
    });
    return {
      url: parseDatabaseUrl(cluster.url('postgres')),
      isThrowAway: true,
      close: async () => {
        await cluster.destroy();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

async function findServerProgram(
  major: number,
  searchPath: string,
): Promise<Awaited<ReturnType<typeof findTool>>> {
  const found = await findTool({ program: 'postgres', atLeastMajor: major, searchPath }).catch(
    () => undefined,
  );
  if (found?.major === major) return found;
  throw new PgkeepError(
    'SCRATCH_UNAVAILABLE',
    `Nowhere to test a restore: TEST_DATABASE_URL is not set, and this machine has no server programs of PostgreSQL ${major}.`,
    {
      hint: `Set TEST_DATABASE_URL to a PostgreSQL ${major} that is not the guarded database, or install the programs: apt-get install postgresql-${major}.`,
    },
  );
}

/** A killed test's server dies with it; its files stay, and are as large as the database. */
function clearLeftovers(now: Date, longestMs: number): void {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const directory = path.join(tmpdir(), name);
    if (isLeftover(directory, now.getTime() - longestMs)) rmSync(directory, { recursive: true, force: true });
  }
}

function isLeftover(directory: string, before: number): boolean {
  const owner = path.join(directory, 'cluster', 'owner');
  try {
    if (existsSync(owner)) return !isRunning(Number(readFileSync(owner, 'utf8')));
    // Killed before its server was up.
    return statSync(directory).mtimeMs < before;
  } catch {
    // Another user's, whose own test clears it; or gone meanwhile.
    return false;
  }
}
