import { databaseError } from '../postgres/database-fault.js';
import { KeepError } from '../core/errors.js';
import { ProgramFailure } from '../core/process/program-failure.js';

/** Whatever ended a deed of this room, explained; `operation` completes "Cannot …". */
export function backupError(operation: string, error: unknown, signal: AbortSignal): KeepError {
  if (signal.aborted) {
    return new KeepError('INTERRUPTED', `Interrupted: could not ${operation}. Nothing was left behind.`, {
      cause: error,
    });
  }
  if (error instanceof KeepError) return error;
  if (error instanceof ProgramFailure) {
    return new KeepError('BACKUP_FAILED', `Cannot ${operation}: ${error.message}`, {
      hint: 'Nothing was kept. Mend what the message says, then run the backup again.',
      cause: error,
    });
  }
  return databaseError(operation, error);
}
