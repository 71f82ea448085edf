import { PgkeepError, type ErrorCode } from '../../core/errors.js';

/** What is known of a failure of Prisma's engine beside its message. */
export interface SchemaEngineFailure {
  /** Prisma's own code: `P3009`, `P3018`… Undefined where Prisma has none. */
  readonly prismaCode?: string | undefined;
  /** The migration that failed: its directory's name. */
  readonly migration?: string | undefined;
  /** PostgreSQL's code of the statement that failed: `42P01`… */
  readonly sqlState?: string | undefined;
  /** PostgreSQL's message of the statement that failed, without detail, hint or position. */
  readonly databaseMessage?: string | undefined;
  readonly cause?: unknown;
}

const KEEP_CODES: Readonly<Record<string, ErrorCode>> = {
  P1000: 'DATABASE_ERROR',
  P1001: 'DATABASE_UNREACHABLE',
  P1002: 'DATABASE_TIMEOUT',
  P1003: 'DATABASE_ERROR',
  P1010: 'DATABASE_PERMISSION_DENIED',
  P1011: 'DATABASE_UNREACHABLE',
};

const INSUFFICIENT_PRIVILEGE = '42501';

const AFTER_A_FAILURE =
  'A failed migration blocks the next ones. See what of it is there, and what to choose from: ' +
  '`npx pgkeep migrate resolve`.';

const HINTS: Readonly<Record<string, string>> = {
  P1002: 'Another migration is running on this database: let it finish, then try again.',
  P3005:
    'The schema holds tables that no migration made: baseline it with `npx pgkeep migrate resolve --applied NAME`.',
  P3009: AFTER_A_FAILURE,
  P3015: 'Restore the migration.sql of that directory from version control, or delete the directory.',
  P3018: AFTER_A_FAILURE,
  P3019: 'Point to a migrations directory that was made for PostgreSQL.',
};

/** A failure of Prisma's engine. `message` is the text Prisma itself prints; it holds no secret. */
export class SchemaEngineError extends PgkeepError {
  readonly prismaCode: string | undefined;
  readonly migration: string | undefined;
  readonly sqlState: string | undefined;
  readonly databaseMessage: string | undefined;

  constructor(message: string, failure: SchemaEngineFailure = {}) {
    const hint = HINTS[failure.prismaCode ?? ''];
    super(keepCode(failure), message, { cause: failure.cause, ...(hint !== undefined && { hint }) });
    this.prismaCode = failure.prismaCode;
    this.migration = failure.migration;
    this.sqlState = failure.sqlState;
    this.databaseMessage = failure.databaseMessage;
  }
}

function keepCode(failure: SchemaEngineFailure): ErrorCode {
  if (failure.prismaCode === undefined && failure.sqlState === INSUFFICIENT_PRIVILEGE) {
    return 'DATABASE_PERMISSION_DENIED';
  }
  return KEEP_CODES[failure.prismaCode ?? ''] ?? 'MIGRATION_FAILED';
}
