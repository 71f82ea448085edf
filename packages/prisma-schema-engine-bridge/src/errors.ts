import type { ErrorRegistry } from '@prisma/driver-adapter-utils';
import { DatabaseError } from 'pg';

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

/** How many lines of a script are shown up to the one that failed, as Prisma does. */
const LINES_SHOWN = 5;

/** A statement that failed: PostgreSQL refused it, or the connection broke. */
export interface StatementFailure {
  /** SQLSTATE, or the system's error code where the connection broke; `none` where there is neither. */
  readonly code: string;
  readonly severity: string;
  /** PostgreSQL's message alone. */
  readonly message: string;
  /** The message with its severity, detail, hint and position in the script, for people. */
  readonly text: string;
}

/** The latest failed statement on any of an engine's sessions: the engine passes on its text, not its SQLSTATE. */
export interface FailureMemory {
  latest: StatementFailure | undefined;
}

/**
 * Describes what node-postgres threw for a script.
 * @param sentFrom where the SQL that was sent begins in the script
 */
export function statementFailure(thrown: unknown, script: string, sentFrom = 0): StatementFailure {
  const message = messageOf(thrown);
  const code = errorCode(thrown) ?? 'none';
  if (!(thrown instanceof DatabaseError)) return { code, severity: 'ERROR', message, text: message };
  const severity = thrown.severity ?? 'ERROR';
  const text = [
    `${severity}: ${thrown.message}`,
    thrown.detail && `DETAIL: ${thrown.detail}`,
    thrown.hint && `HINT: ${thrown.hint}`,
    thrown.position && `\nPosition:\n${linesUpTo(script, sentFrom, Number(thrown.position))}`,
  ];
  return { code, severity, message: thrown.message, text: text.filter(Boolean).join('\n') };
}

/** Returns the numbered lines up to the one at `position`, which counts characters from 1 after `sentFrom`. */
function linesUpTo(script: string, sentFrom: number, position: number): string {
  // PostgreSQL counts characters where JavaScript counts UTF-16 units: an emoji is one and two.
  const sent = Array.from(script.slice(sentFrom)).slice(0, position - 1);
  const before = script.slice(0, sentFrom) + sent.join('');
  const last = before.split('\n').length;
  const first = Math.max(1, last - LINES_SHOWN + 1);
  const shown = script.split('\n').slice(first - 1, last);
  return shown.map((line, index) => `${String(first + index).padStart(3)} ${line}`).join('\n');
}

/** Where the engine's message ends and its trace of Rust functions begins. */
const TRACE = /\n\s+0: /;

/** How the engine refers to a JavaScript error that it cannot read: by its number in the registry. */
const REGISTERED = /External error id#(\d+)/;

/**
 * Turns what the engine rejects with into the error that Prisma's native engine prints. The WebAssembly build
 * knows neither the SQLSTATE nor the position of a failed statement, so both are taken from `failure`, the latest
 * failure on the engine's sessions.
 */
export function engineError(
  thrown: unknown,
  registry: ErrorRegistry,
  failure: StatementFailure | undefined,
): Error {
  if (thrown instanceof SchemaEngineError) return thrown;
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const registered = REGISTERED.exec(text)?.[1];
  if (registered !== undefined) return registeredError(registry.consumeError(Number(registered))?.error);

  const [message = text] = text.split(TRACE);
  const prismaCode = errorCode(thrown);
  const cause = failure && text.includes(failure.message) ? failure : undefined;
  const details = { prismaCode, sqlState: cause?.code, databaseMessage: cause?.message, cause: thrown };

  const migration =
    /with migration_name="([^"]+)"/.exec(text)?.[1] ?? /[Mm]igration `([^`]+)`/.exec(text)?.[1];
  if (cause && migration !== undefined && text.includes('::apply_migrations')) {
    return new SchemaEngineError(applyFailedText(migration, cause), {
      ...details,
      prismaCode: 'P3018',
      migration,
    });
  }
  if (cause && migration !== undefined && prismaCode === 'P3006') {
    return new SchemaEngineError(replayFailedText(migration, cause), { ...details, migration });
  }
  return new SchemaEngineError(message.trimEnd(), {
    ...details,
    migration: migration ?? /The `([^`]+)` migration started at/.exec(text)?.[1],
  });
}

/** An error that JavaScript code threw while the engine called it. */
function registeredError(error: unknown): Error {
  return error instanceof Error ? error : new SchemaEngineError(messageOf(error), { cause: error });
}

/** Returns Prisma's text for a migration that failed; Prisma keeps it in column `logs` of its history. Pure. */
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
