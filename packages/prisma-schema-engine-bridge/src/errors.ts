/** What is known about a failure of Prisma's engine beside its message. */
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

/** A failure of Prisma's engine. `message` is the text that Prisma itself prints; it holds no secret. */
export class SchemaEngineError extends Error {
  override readonly name = 'SchemaEngineError';
  readonly prismaCode: string | undefined;
  readonly migration: string | undefined;
  readonly sqlState: string | undefined;
  readonly databaseMessage: string | undefined;

  constructor(message: string, failure: SchemaEngineFailure = {}) {
    super(message, { cause: failure.cause });
    this.prismaCode = failure.prismaCode;
    this.migration = failure.migration;
    this.sqlState = failure.sqlState;
    this.databaseMessage = failure.databaseMessage;
  }
}

/** Returns the message of anything that was thrown, on one line. */
export function messageOf(thrown: unknown): string {
  const first = firstOf(thrown);
  return String(propertyOf(first, 'message') ?? first)
    .replaceAll(/\s*\n\s*/g, ' ')
    .trim();
}

/** Returns the `code` of anything that was thrown: a SQLSTATE, or Node's (`ECONNREFUSED`). */
export function errorCode(thrown: unknown): string | undefined {
  const code = propertyOf(firstOf(thrown), 'code');
  return typeof code === 'string' ? code : undefined;
}

/** Returns the next step that an error of the host application suggests. */
export function hintOf(thrown: unknown): string | undefined {
  const hint = propertyOf(thrown, 'hint');
  return typeof hint === 'string' && hint !== '' ? hint : undefined;
}

/** Node reports a host name with several addresses as an AggregateError, which has no message or code. */
function firstOf(thrown: unknown): unknown {
  const errors = propertyOf(thrown, 'errors');
  return Array.isArray(errors) && errors.length > 0 ? firstOf(errors[0]) : thrown;
}

/** By shape and not by `instanceof`: inside Jest, errors of Node's core belong to another realm. */
function propertyOf(thrown: unknown, name: 'message' | 'code' | 'hint' | 'errors'): unknown {
  return typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, name) : undefined;
}
