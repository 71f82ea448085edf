import type { ErrorRegistry } from '@prisma/driver-adapter-utils';
import { messageOf } from '../../core/errors.js';
import { errorCode } from '../../core/errors.js';
import { SchemaEngineError } from './schema-engine-error.js';
import type { StatementFailure } from './statement-failure.js';

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
