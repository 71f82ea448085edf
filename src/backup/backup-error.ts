import { databaseError } from '../postgres/database-fault.js';
import { PgkeepError } from '../core/errors.js';
import { ProgramFailure } from '../core/process/program-failure.js';

/** Returns the error for whatever ended an operation on backups; `operation` completes "Cannot …". */
export function backupError(operation: string, error: unknown, signal: AbortSignal): PgkeepError {
  if (signal.aborted) {
    return new PgkeepError('INTERRUPTED', `Interrupted: did not ${operation}. Nothing was left behind.`, {
      cause: error,
    });
  }
  if (error instanceof PgkeepError) return error;
  if (error instanceof ProgramFailure) {
    return new PgkeepError('BACKUP_FAILED', `Cannot ${operation}: ${error.message}`, {
      hint: 'No backup was kept. Fix what the message says, then run the backup again.',
      cause: error,
    });
  }
  return databaseError(operation, error);
}
