import { withoutValues } from '../errors.js';
import type { ProgramEnd } from './program.js';

const SHOWN_LINES = 3;
/** What PostgreSQL adds to an error. */
const ADDED = /^(?:DETAIL|HINT): /;
/** A statement is shown by its first line: the next ones may hold a password. */
const STATEMENT = /^(?:Command was|psql:.*: STATEMENT): /;

/** A program did not end with exit code 0. The message quotes the error that the program printed. */
export class ProgramFailure extends Error {
  override readonly name = 'ProgramFailure';

  constructor(
    readonly program: string,
    readonly end: ProgramEnd,
  ) {
    super(`${program} ${howItEnded(end)}${lastWords(end)}`);
  }

  /** Whether a disk was full, on this machine or the server's: neither reports a code for that. */
  get isDiskFull(): boolean {
    return /No space left on device|Disk quota exceeded/.test(this.end.stderrTail);
  }
}

function howItEnded({ exitCode, signal }: ProgramEnd): string {
  return signal === null ? `ended with exit code ${exitCode}` : `was ended by ${signal}`;
}

/** Returns the first error, the server's detail and hint, and the next lines; without an error, the last lines. */
function lastWords({ stderrTail }: ProgramEnd): string {
  const lines = stderrTail
    .split('\n')
    .map((line) => withoutValues(line.trim()))
    .filter((line) => line !== '');
  const statement = lines.findIndex((line) => STATEMENT.test(line));
  if (statement >= 0) lines.length = statement + 1;
  const first = lines.findIndex((line) => /\b(?:error|fatal|panic):/i.test(line));
  const shown = first < 0 ? lines.slice(-SHOWN_LINES) : errorAt(first, lines);
  return shown.length === 0 ? '' : `: ${shown.join('; ')}`;
}

/** Moves the server's detail and hint before the query, which may use up the rest of the message. */
function errorAt(first: number, lines: readonly string[]): string[] {
  const rest = lines.slice(first + 1);
  const next = rest.findIndex((line) => /\b(?:error|fatal|panic):/i.test(line));
  const own = next < 0 ? rest : rest.slice(0, next);
  const added = own.filter((line) => ADDED.test(line));
  const others = own.filter((line) => !ADDED.test(line));
  return [lines[first] ?? '', ...added, ...others.slice(0, Math.max(0, SHOWN_LINES - 1 - added.length))];
}

/** How much of a program's error output is kept for the message. */
const KEPT = 4000;

/** A line is cut here: pg_dump repeats its complete query, which would push the error out. */
const LONGEST_LINE = 400;

/** The last 4,000 characters of what a program writes to stderr, each line cut where it is long. */
export class ErrorOutput {
  private kept = '';
  /** The number of characters of the line that is not complete yet. */
  private length = 0;

  add(text: string): void {
    for (const [index, part] of text.split('\n').entries()) {
      if (index > 0) {
        this.kept += '\n';
        this.length = 0;
      }
      const left = Math.max(0, LONGEST_LINE - this.length);
      this.kept += part.length > left && left > 0 ? `${part.slice(0, left)}…` : part.slice(0, left);
      this.length += part.length;
    }
    this.kept = this.kept.slice(-KEPT);
  }

  get tail(): string {
    return this.kept;
  }
}
