import type { ProgramEnd } from './program.js';

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

/** The error lines; a detail or hint of the server's is one of them. */
function lastWords({ stderrTail }: ProgramEnd): string {
  const lines = stderrTail
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.length === 0 ? '' : `: ${lines.slice(-3).join('; ')}`;
}
