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

/** Its data need not survive a crash: no fsync, minimal WAL, much memory for index builds. */
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
 * Returns max_locks_per_transaction for a number of tables, indexes and sequences. PostgreSQL multiplies it by the
 * connections. A query on a partitioned table locks all partitions and their indexes, and two such queries run at a
 * time. Pure.
 */
export function locksPerTransaction(relations: number): number {
  return Math.max(LEAST_LOCKS, Math.ceil((relations * 2) / CONNECTIONS));
}

/** How a temporary server is started. */
export interface ThrowAwayOptions {
  readonly searchPath: string;
  readonly now: Date;
  /** No restore test takes longer: older files are leftovers of a killed one. */
  readonly longestMs: number;
  /** The free space that the restored database needs; undefined if that is not known. */
  readonly bytesNeeded: number | undefined;
  /** How many tables, indexes and sequences will be restored. */
  readonly relations: number;
}

/**
 * Starts a temporary PostgreSQL server of the dumped server's major version in a temporary directory. It ends with this
 * process.
 * @throws PgkeepError `SCRATCH_UNAVAILABLE` with the package to install, `CLUSTER_FAILED`.
 */
export async function startThrowAwayServer(
  dumpedMajor: number,
  { searchPath, now, longestMs, bytesNeeded, relations }: ThrowAwayOptions,
): Promise<ScratchServer> {
  clearLeftovers(tmpdir(), now.getTime() - longestMs);
  const postgres = await findServerProgram(dumpedMajor, searchPath);
  requireSpace(await freeSpaceOf(tmpdir()), {
    bytes: bytesNeeded,
    code: 'SCRATCH_UNAVAILABLE',
    operation: 'Cannot test a restore',
  });
  const directory = mkdtempSync(path.join(tmpdir(), PREFIX));
  // If this runs as root, the unprivileged user of PostgreSQL needs access to the subdirectory.
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
    `Cannot test a restore: TEST_DATABASE_URL is not set, and the server programs of PostgreSQL ${major} are not installed on this machine.`,
    {
      hint: `Set TEST_DATABASE_URL to a PostgreSQL ${major} server that is not the guarded one, or install the programs: apt-get install postgresql-${major}.`,
    },
  );
}

/**
 * Removes the files of killed tests below `parent`, which are as large as the database; their servers ended with them.
 * @param before no running test began before this time, in ms
 */
export function clearLeftovers(parent: string, before: number): void {
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(PREFIX))) {
    const directory = path.join(parent, name);
    try {
      if (isLeftover(directory, before)) rmSync(directory, { recursive: true, force: true });
    } catch {
      // It belongs to another user, whose next test removes it; or it was removed meanwhile.
    }
  }
}

function isLeftover(directory: string, before: number): boolean {
  const owner = path.join(directory, 'cluster', 'owner');
  if (existsSync(owner)) return !isRunning(Number(readFileSync(owner, 'utf8')));
  // The test was killed before its server started.
  return statSync(directory).mtimeMs < before;
}
