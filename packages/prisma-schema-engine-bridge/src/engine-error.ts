import type { ErrorRegistry } from '@prisma/driver-adapter-utils';
import { errorCode, messageOf, SchemaEngineError } from './errors.js';
import type { StatementFailure } from './statement-failure.js';

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
