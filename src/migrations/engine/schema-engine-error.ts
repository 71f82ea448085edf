import type { ErrorRegistry } from '@prisma/driver-adapter-utils';
import { type ErrorCode, errorCode, messageOf, PgkeepError } from '../../core/errors.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import type { StatementFailure } from './statement-failure.js';

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
  if (failure.prismaCode === undefined && failure.sqlState === SQLSTATE.insufficientPrivilege) {
    return 'DATABASE_PERMISSION_DENIED';
  }
  return KEEP_CODES[failure.prismaCode ?? ''] ?? 'MIGRATION_FAILED';
}

/** Where the engine's message ends and its trace of Rust functions begins. */
const TRACE = /\n\s+0: /;

/** The engine's name for an error of ours that it could not read: a number in the registry. */
const REGISTERED = /External error id#(\d+)/;

/**
 * Turns what the engine rejects with into the error that Prisma's native engine prints. The WebAssembly build
 * knows neither the SQLSTATE nor the place of a failing statement, so `failure`, the last one seen on its
 * sessions, is put back in.
 */
export function engineError(
  thrown: unknown,
  registry: ErrorRegistry,
  failure: StatementFailure | undefined,
): SchemaEngineError {
  if (thrown instanceof SchemaEngineError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const registered = REGISTERED.exec(text)?.[1];
  if (registered !== undefined) return ownError(registry.consumeError(Number(registered))?.error);

  const [message = text] = text.split(TRACE);
  const prismaCode = errorCode(thrown);
  const blamed = failure && text.includes(failure.message) ? failure : undefined;
  const details = { prismaCode, sqlState: blamed?.code, databaseMessage: blamed?.message, cause: thrown };

  const migration =
    /with migration_name="([^"]+)"/.exec(text)?.[1] ?? /[Mm]igration `([^`]+)`/.exec(text)?.[1];
  if (blamed && migration !== undefined && text.includes('::apply_migrations')) {
    return new SchemaEngineError(applyFailedText(migration, blamed), {
      ...details,
      prismaCode: 'P3018',
      migration,
    });
  }
  if (blamed && migration !== undefined && prismaCode === 'P3006') {
    return new SchemaEngineError(replayFailedText(migration, blamed), { ...details, migration });
  }
  return new SchemaEngineError(message.trimEnd(), {
    ...details,
    migration: migration ?? /The `([^`]+)` migration started at/.exec(text)?.[1],
  });
}

function ownError(error: unknown): SchemaEngineError {
  return error instanceof SchemaEngineError
    ? error
    : new SchemaEngineError(messageOf(error), { cause: error });
}

/** What Prisma says of a migration that failed, and keeps in column `logs` of its history. Pure. */
export function applyFailedText(migration: string, { code, text }: StatementFailure): string {
  return (
    'A migration failed to apply. New migrations cannot be applied before the error is recovered from. Read more ' +
    'about how to resolve migration issues in a production database: https://pris.ly/d/migrate-resolve\n\n' +
    `Migration name: ${migration}\n\nDatabase error code: ${code}\n\nDatabase error:\n${text}\n`
  );
}

function replayFailedText(migration: string, { code, text }: StatementFailure): string {
  return (
    `Migration \`${migration}\` failed to apply cleanly to the shadow database. \n` +
    `Error code: ${code}\nError:\n${text}`
  );
}
