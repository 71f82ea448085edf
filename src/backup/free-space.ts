import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { CommittedBackups } from './committed-backups.js';
import type { DatabaseFacts } from './database-facts.js';

/** Without an earlier backup to go by: an archive has seldom more than this part of the database's size. */
const EXPECTED_PART = 0.25;
/** Room for growth since the last backup. */
const GROWTH = 1.25;

/** Free space that a backup needs, and where the number comes from. */
export interface RequiredRoom {
  readonly bytes: number;
  readonly because: string;
}

/**
 * Requires that the storage has room for a backup of this database.
 * @returns the size of the last backup's archive; undefined where there is none.
 * @throws PgkeepError `STORAGE_FULL`.
 */
export async function requireRoomFor(
  { database, sizeBytes }: DatabaseFacts,
  storage: BackupStorage,
  { environment, backup: { requiredFreeBytes } }: Settings,
): Promise<number | undefined> {
  const freeBytes = (await storage.freeBytes?.()) ?? Infinity;
  const { backups } = await new CommittedBackups(storage).list();
  const [last] = backups
    .filter((backup) => backup.database === database && backup.environment === environment)
    .toSorted((left, right) => (left.finishedAt < right.finishedAt ? 1 : -1));
  requireRoom(storage.location, freeBytes, requiredRoom(sizeBytes, last?.bytes, requiredFreeBytes));
  return last?.bytes;
}

/** What was set, or how many bytes an archive will likely have. */
export function requiredRoom(
  databaseBytes: number,
  lastArchiveBytes: number | undefined,
  setBytes: number | undefined,
): RequiredRoom {
  if (setBytes !== undefined) return { bytes: setBytes, because: 'BACKUP_REQUIRED_FREE_MB' };
  if (lastArchiveBytes !== undefined) {
    return { bytes: Math.ceil(lastArchiveBytes * GROWTH), because: `${GROWTH} times the last archive` };
  }
  const because = `a quarter of the database’s ${megabytes(databaseBytes)} MB, for a first backup`;
  return { bytes: Math.ceil(databaseBytes * EXPECTED_PART), because };
}

function requireRoom(location: string, freeBytes: number, { bytes, because }: RequiredRoom): void {
  if (freeBytes >= bytes) return;
  throw new PgkeepError(
    'STORAGE_FULL',
    `Cannot back up to ${location}: about ${megabytes(bytes)} MB are needed (${because}), ${megabytes(freeBytes)} MB are free.`,
    {
      hint: 'Free space there, or point BACKUP_DIR to a directory on a larger disk. If the archive will be smaller, set BACKUP_REQUIRED_FREE_MB to its size; 0 switches this check off.',
    },
  );
}

function megabytes(bytes: number): number {
  return Math.ceil(bytes / 1_048_576);
}
