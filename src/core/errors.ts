/**
 * The kind of a failure. Interfaces translate the kind, never the message:
 * `http/` into a status, `cli/` into an exit code.
 */
export type ErrorKind = 'configuration' | 'usage' | 'refused' | 'denied' | 'unavailable' | 'failed';

/** Every failure that pgkeep raises itself: a stable code and its kind. Codes are part of the `--json` contract. */
export const ERROR_KINDS = {
  CONFIG_INVALID: 'configuration',
  USAGE_INVALID: 'usage',
  STAMP_REFUSED: 'refused',
  PRUNE_REFUSED: 'refused',
  GUARD_REFUSED: 'refused',
  PRISMA_MISSING: 'failed',
  PRISMA_CONFIG_INVALID: 'configuration',
  ADMIN_TOKEN_NOT_CONFIGURED: 'denied',
  ADMIN_TOKEN_REQUIRED: 'denied',
  SIGN_IN_REQUIRED: 'denied',
  SIGN_IN_REFUSED: 'denied',
  JWT_REFUSED: 'denied',
  JWT_KEYS_UNAVAILABLE: 'unavailable',
  ROLE_REQUIRED: 'denied',
  CROSS_SITE_REFUSED: 'denied',
  METRICS_NOT_CONFIGURED: 'denied',
  METRICS_TOKEN_REQUIRED: 'denied',
  TOO_MANY_FAILURES: 'denied',
  DATABASE_UNREACHABLE: 'unavailable',
  DATABASE_TIMEOUT: 'unavailable',
  DATABASE_READ_ONLY: 'unavailable',
  DATABASE_PERMISSION_DENIED: 'failed',
  DATABASE_ERROR: 'failed',
  DATABASE_MISMATCH: 'refused',
  POOLER_REFUSED: 'refused',
  NOT_INSTALLED: 'failed',
  CLUSTER_BINARIES_MISSING: 'failed',
  CLUSTER_IN_USE: 'failed',
  CLUSTER_FAILED: 'failed',
  MIGRATION_FAILED: 'failed',
  MIGRATIONS_UNREADABLE: 'failed',
  LINT_FAILED: 'failed',
  SCHEMA_NOT_FOUND: 'configuration',
  POLICY_REFUSED: 'refused',
  DEPLOY_REFUSED: 'refused',
  DEPLOY_FAILED: 'failed',
  DOWN_SCRIPT_REFUSED: 'refused',
  DOWN_SCRIPT_FAILED: 'failed',
  ROLLBACK_REFUSED: 'refused',
  ROLLBACK_FAILED: 'failed',
  RESOLVE_REFUSED: 'refused',
  RESOLVE_FAILED: 'failed',
  DRIFT_REFUSED: 'refused',
  POLICY_INVALID: 'usage',
  PRIVACY_REFUSED: 'refused',
  RECORD_NOT_FOUND: 'failed',
  RECORD_HELD: 'refused',
  BACKUP_REFUSED: 'refused',
  TABLE_NOT_FOUND: 'usage',
  BACKUP_TOOLS_MISSING: 'failed',
  BACKUP_ROW_SECURITY: 'failed',
  BACKUP_FAILED: 'failed',
  BACKUP_NOT_FOUND: 'failed',
  BACKUP_MANIFEST_UNREADABLE: 'failed',
  BACKUP_DAMAGED: 'failed',
  BACKUP_KEY_MISSING: 'failed',
  BACKUP_KEY_WRONG: 'failed',
  RESTORE_REFUSED: 'refused',
  RESTORE_FAILED: 'failed',
  RESTORE_TEST_FAILED: 'failed',
  SCRATCH_UNAVAILABLE: 'failed',
  BACKUP_UPLOAD_FAILED: 'failed',
  JOB_RUNNING: 'refused',
  JOB_RUN_NOT_FOUND: 'failed',
  JOB_LEASE_LOST: 'failed',
  JOB_TIME_LIMIT: 'failed',
  JOB_PROCESS_ENDED: 'failed',
  ALERT_NOT_DELIVERED: 'failed',
  STORAGE_FULL: 'failed',
  STORAGE_OBJECT_MISSING: 'failed',
  STORAGE_BUCKET_MISSING: 'failed',
  STORAGE_DENIED: 'failed',
  STORAGE_UNAVAILABLE: 'unavailable',
  STORAGE_FAILED: 'failed',
  CLIENT_CLOSED: 'unavailable',
  POOL_EXHAUSTED: 'unavailable',
  REPLICA_READ_ONLY: 'refused',
  INTERRUPTED: 'failed',
  ROUTE_NOT_FOUND: 'failed',
  PORT_IN_USE: 'failed',
  INTERNAL: 'failed',
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

/**
 * The one error class: what went wrong (operation, subject, cause) in `message`, what to do next in `hint`.
 * Knows no HTTP and no exit code. Neither text may hold a secret.
 */
export class PgkeepError extends Error {
  override readonly name = 'PgkeepError';
  readonly hint: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
  }

  get kind(): ErrorKind {
    return ERROR_KINDS[this.code];
  }
}

/** Returns the error of a command that was interrupted. @param state what was done: `nothing was migrated` */
export function interrupted(state: string): PgkeepError {
  return new PgkeepError('INTERRUPTED', `Interrupted: ${state}.`);
}

/** SQLSTATE classes whose details quote rows: data exceptions and integrity constraint violations. */
const ABOUT_ROWS = /^2[23]/;

/** Returns the message of anything that was thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const text = propertyOf(firstOf(thrown), 'message');
  return String(text ?? firstOf(thrown))
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** Returns the message with PostgreSQL's detail, without the values of rows, and its hint. */
export function serverMessageOf(thrown: unknown): string {
  const hint = serverHintOf(thrown);
  return `${detailedMessageOf(thrown)}${hint === undefined ? '' : `; HINT: ${hint}`}`;
}

/** Returns the message with PostgreSQL's detail, for texts that show its hint elsewhere. */
export function detailedMessageOf(thrown: unknown): string {
  const detail = textOf(thrown, 'detail');
  const shown = detail === undefined ? undefined : withoutValues(detail);
  // In a language other than English the values would not be recognized.
  const isHidden = shown === undefined || (shown === detail && ABOUT_ROWS.test(errorCode(thrown) ?? ''));
  return `${messageOf(thrown)}${isHidden ? '' : `; DETAIL: ${shown}`}`;
}

/** Returns PostgreSQL's hint about an error, where there is one. */
export function serverHintOf(thrown: unknown): string | undefined {
  return textOf(thrown, 'hint');
}

/** Returns a line of a server's error without the values of a row: logs and reports must not hold them. */
export function withoutValues(line: string): string {
  return line
    .replace(/(Failing row contains) \(.*\)/s, '$1 (…)')
    .replace(/(Key \(.*?\))=\(.*\)/s, '$1=(…)')
    .replace(/(COPY [^,]+, line \d+)(?:, column [^:]+)?: .*/s, '$1');
}

/** Returns the `code` of anything that was thrown: a SQLSTATE, or Node.js's (`ECONNREFUSED`, `CERT_HAS_EXPIRED`). */
export function errorCode(thrown: unknown): string | undefined {
  const code = propertyOf(firstOf(thrown), 'code');
  return typeof code === 'string' ? code : undefined;
}

/** Returns the first error of an AggregateError: Node.js throws one, without message or code, for a host with several addresses. */
function firstOf(thrown: unknown): unknown {
  const errors = propertyOf(thrown, 'errors');
  return Array.isArray(errors) && errors.length > 0 ? firstOf(errors[0]) : thrown;
}

/** Returns a property of anything that was thrown. Not by class: inside Jest, errors of Node's core have another realm. */
export function propertyOf(thrown: unknown, name: string): unknown {
  return typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined;
}

/** Returns a text of an error that the server sent; the hints of pgkeep's own errors are another kind. */
function textOf(thrown: unknown, name: 'detail' | 'hint'): string | undefined {
  const error = firstOf(thrown);
  if (error instanceof PgkeepError) return undefined;
  const text = propertyOf(error, name);
  return typeof text === 'string' && text !== '' ? text.replaceAll(/\s*\n\s*/g, ' ').trim() : undefined;
}
