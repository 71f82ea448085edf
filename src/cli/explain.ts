import { PgkeepError, messageOf } from '../core/errors.js';

/** An error for people: what went wrong, then what to do next. What is not pgkeep's own keeps its stack. */
export function explain(error: unknown): string {
  if (error instanceof PgkeepError) return [error.message, error.hint].filter(Boolean).join('\n');
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** The same for `--json`: `{error: {code, message, hint}}`. */
export function explainAsJson(error: unknown): string {
  const shown =
    error instanceof PgkeepError
      ? { code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) }
      : { code: 'INTERNAL', message: messageOf(error) };
  return JSON.stringify({ error: shown }, null, 2);
}
