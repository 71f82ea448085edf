import { DatabaseError } from 'pg';
import { errorCode, messageOf } from './errors.js';

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
