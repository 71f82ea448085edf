import { type ErrorKind, messageOf, PgkeepError } from '../core/errors.js';

/** The exit codes. A failing verdict and a failing verb are both 1. */
export const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, configuration: 78 } as const;

const EXIT_OF_KIND: Record<ErrorKind, number> = {
  configuration: EXIT.configuration,
  usage: EXIT.usage,
  refused: EXIT.refused,
  denied: EXIT.failed,
  unavailable: EXIT.failed,
  failed: EXIT.failed,
};

export function exitCodeOf(error: unknown): number {
  return error instanceof PgkeepError ? EXIT_OF_KIND[error.kind] : EXIT.failed;
}

/** Returns an error as text: what failed, then what to do. An error that is not pgkeep's own keeps its stack. */
export function explain(error: unknown): string {
  if (error instanceof PgkeepError) return [error.message, error.hint].filter(Boolean).join('\n');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Returns an error for `--json`: `{error: {code, message, hint}}`. */
export function explainAsJson(error: unknown): string {
  const shown =
    error instanceof PgkeepError
      ? { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
      : { code: 'INTERNAL', message: messageOf(error) };
  return JSON.stringify({ error: shown }, null, 2);
}
