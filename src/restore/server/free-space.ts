import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import { type ErrorCode, PgkeepError } from '../../core/errors.js';
import { formatBytes } from '../../core/text.js';
import { queryOne } from '../../postgres/read.js';

/** What to do when the disk filled up during a restore. */
export const FREE_DISK_SPACE = 'Free space on the disk of the database server, then restore again.';

/** The free space on the disk of a data directory. */
export interface FreeSpace {
  readonly directory: string;
  readonly bytes: number;
}

/** How much space is needed, and the error if it is not available. */
export interface SpaceRequirement {
  /** Undefined if it is not known: nothing is refused then. */
  readonly bytes: number | undefined;
  readonly code: Extract<ErrorCode, 'RESTORE_REFUSED' | 'SCRATCH_UNAVAILABLE'>;
  /** The beginning of the message, which is followed by the reason: "Refused to restore". */
  readonly operation: string;
}

/**
 * Returns how many bytes a restored database needs: the setting, or the size of the dumped database. That size includes
 * dead rows, which are not restored. Pure.
 */
export function bytesNeeded(
  manifest: Pick<Manifest, 'databaseBytes'> | null,
  setBytes: number | undefined,
): number | undefined {
  return setBytes ?? manifest?.databaseBytes;
}

/** Reads the free space of a directory's disk. @returns undefined if the system does not report it. */
export async function freeSpaceOf(directory: string): Promise<FreeSpace | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return { directory, bytes: bavail * bsize };
  } catch {
    // It does not exist, or this user cannot read it.
    return undefined;
  }
}

/** Does the same for a server's data directory. @returns undefined if the server or its disk is not on this machine. */
export async function freeSpaceOfServer(client: Client): Promise<FreeSpace | undefined> {
  const { pid, directory } = await queryOne<{ pid: number; directory: string | null }>(
    client,
    `SELECT pg_catalog.pg_backend_pid() AS pid,
            CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'MEMBER')
                 THEN pg_catalog.current_setting('data_directory') END AS directory`,
  );
  // The directory could be another server's: the process that answered must run on this machine, too.
  if (directory === null || !isPostgres(pid) || !existsSync(directory)) return undefined;
  return (await freeSpaceOf(path.join(directory, 'base'))) ?? (await freeSpaceOf(directory));
}

/** Requires enough free space. @throws PgkeepError with the requirement's code. */
export function requireSpace(
  free: FreeSpace | undefined,
  { bytes, code, operation }: SpaceRequirement,
): void {
  if (bytes === undefined || free === undefined || free.bytes >= bytes) return;
  throw new PgkeepError(
    code,
    `${operation}: the database needs about ${formatBytes(bytes)}, and the disk of ${free.directory} has ${formatBytes(free.bytes)} free. Nothing was changed.`,
    {
      hint: 'Free space there. If the restored database will be smaller than the one that was backed up, set RESTORE_REQUIRED_FREE_MB to the space that it needs; 0 skips this check.',
    },
  );
}

/** Requires enough free space for a restore on the server of a connection. @throws PgkeepError `RESTORE_REFUSED`. */
export async function requireSpaceToRestore(
  client: Client,
  manifest: Pick<Manifest, 'databaseBytes'> | null,
  { requiredFreeBytes }: { requiredFreeBytes: number | undefined },
): Promise<void> {
  requireSpace(await freeSpaceOfServer(client), {
    bytes: bytesNeeded(manifest, requiredFreeBytes),
    code: 'RESTORE_REFUSED',
    operation: 'Refused to restore',
  });
}

function isPostgres(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres';
  } catch {
    // There is no such process, or this is not Linux.
    return false;
  }
}
