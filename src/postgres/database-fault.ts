import {
  detailedMessageOf,
  errorCode,
  PgkeepError,
  messageOf,
  serverHintOf,
  type ErrorCode,
} from '../core/errors.js';
import { withoutStop } from '../core/text.js';
import { UnsuitableServerError } from './candidate-client.js';
import { isAuthenticationError, isTlsError } from './candidate-rotation.js';
import { DeadlineError } from './deadline.js';
import { PasswordUnavailableError } from './password.js';
import { SQLSTATE } from './sqlstates.js';

/** Why the database did not answer as expected; `CHECK_FAILED` is anything else. */
export type DatabaseFaultCode =
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_TIMEOUT'
  | 'DATABASE_AUTHENTICATION_FAILED'
  | 'DATABASE_NOT_FOUND'
  | 'DATABASE_TLS_FAILED'
  | 'DATABASE_TOO_MANY_CONNECTIONS'
  | 'DATABASE_READ_ONLY'
  | 'CHECK_FAILED';

/** Why the database did not answer as expected: a stable code, the cause in one line, what to do. */
export interface DatabaseFault {
  readonly code: DatabaseFaultCode;
  readonly text: string;
  readonly hint: string;
}

const NETWORK_CODE =
  /^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|EACCES|EPIPE|ETIMEDOUT)$/;

const HINTS = {
  tls: 'Check sslmode and sslrootcert of the database URL against the server’s certificate.',
  network:
    'Check the host and port of the database URL, and that the server runs and accepts connections from this machine.',
  slow: 'Check in pg_stat_activity what keeps the server busy; READINESS_TIMEOUT_MS may be too short.',
  locked:
    'Another session holds a lock; a migration may be running. Find it in pg_locks and pg_stat_activity.',
  statementPooler: 'Set pool_mode of the pooler to transaction or session.',
} as const;

/** Explains any error of a connection or a query. The texts hold no secret: PostgreSQL's and Node's do not. */
export function databaseFault(error: unknown): DatabaseFault {
  const code = errorCode(error) ?? '';
  const cause = messageOf(error);
  if (code === SQLSTATE.diskFull) {
    const hint = withServerHint(error, 'Free space on the disk of the database server.');
    return { code: 'CHECK_FAILED', text: sentenceOf(error), hint };
  }
  if (code === SQLSTATE.lockNotAvailable)
    return { code: 'DATABASE_TIMEOUT', text: cause, hint: HINTS.locked };
  if (error instanceof DeadlineError || /timeout/i.test(cause) || code === SQLSTATE.queryCanceled) {
    return { code: 'DATABASE_TIMEOUT', text: cause, hint: HINTS.slow };
  }
  if (isTlsError(error)) {
    return { code: 'DATABASE_TLS_FAILED', text: `TLS failed: ${cause}`, hint: HINTS.tls };
  }
  if (error instanceof UnsuitableServerError) {
    return { code: 'DATABASE_READ_ONLY', text: cause, hint: 'Check the host list of the database URL.' };
  }
  // PgBouncer has no specific SQLSTATE for it.
  if (code === SQLSTATE.protocolViolation && cause.includes('statement pooling mode')) {
    return { code: 'DATABASE_UNREACHABLE', text: cause, hint: HINTS.statementPooler };
  }
  if (
    NETWORK_CODE.test(code) ||
    code.startsWith('57P') ||
    code.startsWith('08') ||
    /terminated/.test(cause)
  ) {
    return { code: 'DATABASE_UNREACHABLE', text: cause || code, hint: HINTS.network };
  }
  if (error instanceof PasswordUnavailableError) {
    return { code: 'DATABASE_AUTHENTICATION_FAILED', text: cause, hint: error.hint };
  }
  if (isAuthenticationError(error)) {
    return {
      code: 'DATABASE_AUTHENTICATION_FAILED',
      text: cause,
      hint: 'Check the user and password of the database URL, and pg_hba.conf.',
    };
  }
  if (code === SQLSTATE.invalidCatalogName) {
    return { code: 'DATABASE_NOT_FOUND', text: cause, hint: 'Create the database, or correct the URL.' };
  }
  if (code === SQLSTATE.tooManyConnections) {
    return {
      code: 'DATABASE_TOO_MANY_CONNECTIONS',
      text: cause,
      hint: 'Lower the pools’ sizes (DATABASE_MAX_CONNECTIONS), or raise max_connections.',
    };
  }
  if (code === SQLSTATE.insufficientPrivilege) {
    // The only object that connecting needs.
    const missing = cause.startsWith('permission denied for database')
      ? ': CONNECT on the database'
      : ' that it lacks';
    const hint = withServerHint(error, `Give the role the grant${missing}.`);
    return { code: 'CHECK_FAILED', text: sentenceOf(error), hint };
  }
  const hint = serverHintOf(error) ?? 'See the server’s log.';
  return { code: 'CHECK_FAILED', text: sentenceOf(error), hint };
}

/** Returns PostgreSQL's hint, then pgkeep's. */
function withServerHint(error: unknown, ours: string): string {
  return [serverHintOf(error), ours].filter(Boolean).join(' ');
}

/** Returns the same as an error to throw; `operation` completes "Cannot …". */
export function databaseError(operation: string, error: unknown): PgkeepError {
  // An error of pgkeep's own is already explained.
  if (error instanceof PgkeepError) return error;
  const { code, text, hint } = databaseFault(error);
  return new PgkeepError(keepCode(code, error), `Cannot ${operation}: ${text}`, { hint, cause: error });
}

function keepCode(code: DatabaseFaultCode, error: unknown): ErrorCode {
  if (errorCode(error) === SQLSTATE.insufficientPrivilege) return 'DATABASE_PERMISSION_DENIED';
  if (code === 'DATABASE_TIMEOUT') return 'DATABASE_TIMEOUT';
  return code === 'CHECK_FAILED' ? 'DATABASE_ERROR' : 'DATABASE_UNREACHABLE';
}

/** Returns the server's words without a final full stop, because the caller's sentence continues. */
function sentenceOf(error: unknown): string {
  return withoutStop(detailedMessageOf(error));
}
