import type { CheckName } from '../readiness/checks.js';
import type { Verdict } from '../readiness/readiness.types.js';
import { fail, ok, skip } from './check-line.js';
import type { LineResult } from './doctor.types.js';

/** Returns what a readiness check found, as the result of a line. */
export function ofCheck({ checks }: Verdict, name: CheckName, next: string): LineResult {
  const check = checks[name];
  if (check === undefined) return skip('not evaluated');
  if (check.ok) return ok(check.details);
  return fail(check.details, check.hint === undefined ? next : `${next}\nsee ${check.hint}`);
}
