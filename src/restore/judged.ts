import type { Comparison, ComparisonName, Finding } from './restore.types.js';

/** How many names one line of details shows. */
const SHOWN = 5;

/** A comparison's verdict: a finding fails it, what is only reported does not. */
export function judged(
  name: ComparisonName,
  sound: string,
  { reported = [], findings = [] }: Partial<Pick<Comparison, 'reported' | 'findings'>> = {},
): Comparison {
  const details =
    findings.length === 0
      ? [sound, ...(reported.length > 0 ? [listed(reported)] : [])].join('; ')
      : listed(findings.map((found) => found.details));
  return { name, ok: findings.length === 0, details, reported, findings };
}

/** A comparison that failed as one, and names nothing in particular. */
export function failedComparison(name: ComparisonName, details: string): Comparison {
  return judged(name, '', { findings: [{ name, details }] });
}

/** A finding about one object. */
export function finding(comparison: ComparisonName, subject: string, details: string): Finding {
  return { name: `${comparison}:${subject}`, details };
}

export function listed(parts: readonly string[]): string {
  const rest = parts.length > SHOWN ? [`and ${parts.length - SHOWN} more`] : [];
  return [...parts.slice(0, SHOWN), ...rest].join('; ');
}

export function number(count: number | null): string {
  return (count ?? 0).toLocaleString('en-US');
}
