import { withoutStop } from '../core/text.js';
import { databaseError } from '../postgres/database-fault.js';
import { DeadlineError, withDeadline } from '../postgres/deadline.js';
import type { CheckName } from '../readiness/checks.js';
import type { Verdict } from '../readiness/readiness.types.js';
import type { DoctorLine, Line, LineResult } from './doctor.types.js';

const DEADLINE_MS = 10_000;
/** Work that an aborted signal ends gets this long for its own, better message. */
const GRACE_MS = 500;

export function ok(details: string): LineResult {
  return { status: 'ok', details };
}

export function fail(details: string, next?: string): LineResult {
  return { status: 'fail', details, next };
}

export function skip(details: string, next?: string): LineResult {
  return { status: 'skip', details, next };
}

/** Says with which circumstances lines are checked. */
export interface CheckOptions {
  readonly signal: AbortSignal;
  /** Whether the database answered. */
  readonly isReached: boolean;
}

/** Checks lines one after the other: programs that they start would slow each other down past their deadlines. */
export async function checkLines(lines: readonly Line[], options: CheckOptions): Promise<DoctorLine[]> {
  const checked: DoctorLine[] = [];
  for (const line of lines) checked.push(await checkLine(line, options));
  return checked;
}

/**
 * Checks one line within its deadline. A check that throws has failed.
 * @throws the signal's reason when it is aborted.
 */
async function checkLine(line: Line, { signal, isReached }: CheckOptions): Promise<DoctorLine> {
  const { name, title, needsDatabase = false } = line;
  const result =
    needsDatabase && !isReached ? skip('not checked: the database did not answer') : await run(line, signal);
  return { name, title, status: result.status, details: result.details, next: result.next ?? null };
}

async function run(
  { title, check, deadlineMs = DEADLINE_MS }: Line,
  signal: AbortSignal,
): Promise<LineResult> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(deadlineMs);
  try {
    const work = check(AbortSignal.any([signal, deadline]));
    return await withDeadline(work, deadlineMs + GRACE_MS);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted || error instanceof DeadlineError) {
      return fail(`not known: the check did not end within ${deadlineMs / 1000} s`);
    }
    const { message, hint } = databaseError(`check "${title}"`, error);
    return fail(withoutStop(message), hint);
  }
}

/** Returns what a readiness check found, as the result of a line. */
export function ofCheck({ checks }: Verdict, name: CheckName, next: string): LineResult {
  const check = checks[name];
  if (check === undefined) return skip('not evaluated');
  if (check.ok) return ok(check.details);
  return fail(check.details, check.hint === undefined ? next : `${next}\nsee ${check.hint}`);
}
