import type { HealthCheckResult } from '@nestjs/terminus';
import type { DetailLevel } from '../config/settings.js';
import type { Verdict } from '../readiness/readiness.types.js';

/** The body of `/ready` as this audience may see it: everything, codes without texts, or the status alone. */
export function verdictBody(verdict: Verdict, level: DetailLevel): object {
  if (level === 'always') return verdict;
  if (level === 'never') return { status: verdict.status };
  return { ...verdict, checks: withoutTexts(verdict.checks) };
}

/** The body of `/health`, cut the same way. */
export function healthBody(health: HealthCheckResult, level: DetailLevel): object {
  if (level === 'always') return health;
  if (level === 'never') return { status: health.status };
  const { status, info, error, details } = health;
  return { status, info: withoutTexts(info), error: withoutTexts(error), details: withoutTexts(details) };
}

/** Every entry without its `details`. */
function withoutTexts(entries: Readonly<Record<string, object | undefined>> = {}): object {
  return Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [
      name,
      Object.fromEntries(Object.entries(entry ?? {}).filter(([key]) => key !== 'details')),
    ]),
  );
}
