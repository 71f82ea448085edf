import { errorCode, propertyOf } from '../core/errors.js';
import { databaseFault } from '../postgres/database-fault.js';
import { SQLSTATE } from '../postgres/sqlstates.js';
import { ReplicaLostError } from './replica-monitor.js';

/** Kinds of the driver adapter's errors that a primary does not have, or not for the same reason. */
const OF_THE_REPLICA = new Set<unknown>([
  // A migration that the replica has not replayed yet.
  'TableDoesNotExist',
  'ColumnNotFound',
  // 40001: a query was canceled because of a conflict with recovery.
  'TransactionWriteConflict',
  'DatabaseNotReachable',
  'ConnectionClosed',
  'SocketTimeout',
  'TlsConnectionError',
  'TooManyConnections',
  'AuthenticationFailed',
  'DatabaseDoesNotExist',
  'DatabaseAccessDenied',
]);

/** Codes of pgkeep's own errors about the connections of the replica. */
const OF_THE_POOL = new Set<unknown>(['DATABASE_UNREACHABLE', 'DATABASE_TIMEOUT', 'POOL_EXHAUSTED']);

/** Returns whether a read failed because of the replica: the primary may answer it. */
export function isReplicaFault(error: unknown): boolean {
  const cause = propertyOf(propertyOf(propertyOf(error, 'meta'), 'driverAdapterError'), 'cause');
  if (error instanceof ReplicaLostError || OF_THE_REPLICA.has(propertyOf(cause, 'kind'))) return true;
  if (OF_THE_POOL.has(errorCode(error))) return true;
  const sent = { code: propertyOf(cause, 'originalCode'), message: propertyOf(cause, 'originalMessage') };
  const original = cause === undefined ? error : sent;
  // Too slow there is too slow here: running it once more would add to the load.
  if (errorCode(original) === SQLSTATE.queryCanceled) return false;
  return databaseFault(original).code !== 'CHECK_FAILED';
}
