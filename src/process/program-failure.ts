import type { ProgramEnd } from './program.js';

const SHOWN_LINES = 3;
/** A statement is shown by its first line: the next ones may hold a password. */
const STATEMENT = /^(?:Command was|psql:.*: STATEMENT): /;

/** A program did not end with exit code 0. Its message is the program's own last word. */
export class ProgramFailure extends Error {
  override readonly name = 'ProgramFailure';

  constructor(
    readonly program: string,
    readonly end: ProgramEnd,
  ) {
    super(`${program} ${howItEnded(end)}${lastWords(end)}`);
  }
}

function howItEnded({ exitCode, signal }: ProgramEnd): string {
  return signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
}

/** The first error and what it adds (a detail or hint of the server's); without one, the last lines. */
function lastWords({ stderrTail }: ProgramEnd): string {
  const lines = stderrTail
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const statement = lines.findIndex((line) => STATEMENT.test(line));
  if (statement >= 0) lines.length = statement + 1;
  const first = lines.findIndex((line) => /\b(?:error|fatal|panic):/i.test(line));
  const shown = first < 0 ? lines.slice(-SHOWN_LINES) : lines.slice(first, first + SHOWN_LINES);
  return shown.length === 0 ? '' : `: ${shown.join('; ')}`;
}
