import { errorCode, PgkeepError, messageOf } from '../../core/errors.js';

/** The directory refuses this user. */
const DENIED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR']);
/** There is no room left. */
const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** An error of the file system, explained; `operation` completes "Cannot … DIRECTORY". */
export function storageError(operation: string, location: string, cause: unknown): PgkeepError {
  if (cause instanceof PgkeepError) return cause;
  const code = errorCode(cause) ?? String(cause);
  const message = `Cannot ${operation} ${location}: ${messageOf(cause)}`;
  if (FULL.has(code)) {
    return new PgkeepError('STORAGE_FULL', message, {
      hint: 'Make room there, or let BACKUP_DIR name a directory on a larger disk.',
      cause,
    });
  }
  if (code === 'ENOENT') {
    return new PgkeepError('STORAGE_OBJECT_MISSING', message, {
      hint: 'Check BACKUP_DIR; `pgkeep backup list` shows what is there.',
      cause,
    });
  }
  return new PgkeepError('STORAGE_FAILED', message, {
    hint: DENIED.has(code)
      ? 'Let BACKUP_DIR name a directory that this user may write to.'
      : 'Check the disk of that directory (the system’s log tells more).',
    cause,
  });
}
