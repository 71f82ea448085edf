import { existsSync, readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import type { Client } from 'pg';
import type { Manifest } from '../../backup/backup.types.js';
import type { ErrorCode } from '../../core/errors.js';
import { PgkeepError } from '../../core/errors.js';
import { formatBytes } from '../../core/text.js';

/** What to do where the disk filled up during a restore. */
export const MAKE_ROOM = 'Make room on the disk of the database server, then restore again.';

/** Free space on the disk that a database is restored to. */
export interface FreeSpace {
  readonly directory: string;
  readonly bytes: number;
}

/** What is needed, and what to say where it is not there. */
export interface SpaceRequirement {
  /** Undefined: not known, and nothing is refused. */
  readonly bytes: number | undefined;
  readonly code: Extract<ErrorCode, 'RESTORE_REFUSED' | 'SCRATCH_UNAVAILABLE'>;
  /** "Refused to restore": completed by why. */
  readonly operation: string;
}

/**
 * Returns how many bytes a restored database takes: what was set, or the size that the dumped one had. That one may
 * have held dead rows, which do not come back. Pure.
 */
export function bytesNeeded(
  manifest: Pick<Manifest, 'databaseBytes'> | null,
  setBytes: number | undefined,
): number | undefined {
  return setBytes ?? manifest?.databaseBytes;
}

/** The free space of a directory's disk; undefined where the system does not say. */
export async function freeSpaceOf(directory: string): Promise<FreeSpace | undefined> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return { directory, bytes: bavail * bsize };
  } catch {
    // Not there, or closed to this user.
    return undefined;
  }
}

/** The same of a server's data directory; undefined where the server, or its disk, is not to be seen from here. */
export async function freeSpaceOfServer(client: Client): Promise<FreeSpace | undefined> {
  const { rows } = await client.query<{ pid: number; directory: string | null }>(
    `SELECT pg_catalog.pg_backend_pid() AS pid,
            CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'MEMBER')
                 THEN pg_catalog.current_setting('data_directory') END AS directory`,
  );
  const { pid, directory } = rows[0] ?? {};
  // A directory of that name may be another server's: the process that answered must run here, too.
  if (pid === undefined || !directory || !isPostgres(pid) || !existsSync(directory)) return undefined;
  return (await freeSpaceOf(path.join(directory, 'base'))) ?? (await freeSpaceOf(directory));
}

/** @throws PgkeepError as the requirement says, where there is not enough room. */
export function requireSpace(
  free: FreeSpace | undefined,
  { bytes, code, operation }: SpaceRequirement,
): void {
  if (bytes === undefined || free === undefined || free.bytes >= bytes) return;
  throw new PgkeepError(
    code,
    `${operation}: the database needs about ${formatBytes(bytes)}, and ${formatBytes(free.bytes)} are free on the disk of ${free.directory}. Nothing was touched.`,
    {
      hint: 'Make room there. Where the restored database will be smaller than the one that was backed up, set RESTORE_REQUIRED_FREE_MB to what it needs; 0 skips this check.',
    },
  );
}

/** The same for a restore of a backup on a client's server. @throws PgkeepError `RESTORE_REFUSED`. */
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
    // No such process here, or not Linux.
    return false;
  }
}
