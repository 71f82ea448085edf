import type { CheckOutcome, Finding } from './readiness.types.js';

/** Puts a check's findings together: failing ones first, joined with "; "; `summary` where nothing failed. */
export function outcomeOf(
  summary: string,
  findings: { readonly failing: readonly Finding[]; readonly told?: readonly string[] },
): CheckOutcome {
  const { failing, told = [] } = findings;
  const first = failing[0];
  if (!first) return { ok: true, details: [summary, ...told].join('; ') };
  return { ok: false, details: [...failing.map(({ text }) => text), ...told].join('; '), code: first.code };
}
