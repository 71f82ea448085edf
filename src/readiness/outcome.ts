import type { DatabaseFault } from '../postgres/database-fault.js';
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

/** Outside production nothing fails: what production would refuse is told instead. */
export function outsideProduction(
  summary: string,
  { failing, told = [] }: { readonly failing: readonly Finding[]; readonly told?: readonly string[] },
): CheckOutcome {
  const refused = failing.map(({ text }) => text).join('; ');
  return outcomeOf(summary, {
    failing: [],
    told: [...told, ...(refused ? [`production would refuse: ${refused}`] : [])],
  });
}

/** A check whose facts could not be had fails: what is not known to be safe is not safe. */
export function notAsked({ code, text }: DatabaseFault): CheckOutcome {
  return outcomeOf('', { failing: [{ code, text: `Not known: ${text}` }] });
}
