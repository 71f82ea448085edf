import { PgkeepError, type ErrorKind } from '../core/errors.js';

/** The command line's exit codes. A failing verdict and a failing verb are both 1. */
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
