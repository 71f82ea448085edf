import { type MonitoringFinding, SEVERITIES } from '../monitoring/monitoring.types.js';
import type { CodeText } from '../readiness/check.js';
import { CHECKS } from '../readiness/checks.js';
import type { CheckView, Verdict } from '../readiness/readiness.types.js';
import type { AttentionItem } from './overview.types.js';

const TEXTS = new Map<string, CodeText>(CHECKS.flatMap(({ codes }) => Object.entries<CodeText>(codes)));

/** Returns what needs attention by the verdict and the probes, the worst first. Pure. */
export function attentionOf(
  { checks }: Pick<Verdict, 'checks'>,
  findings: readonly MonitoringFinding[],
): AttentionItem[] {
  const isDown = findings.some(({ code }) => code === 'DATABASE_DOWN');
  const failing = Object.entries(checks).filter(([, { ok, code }], index, all) => {
    if (ok || !isOfConnection(code)) return !ok;
    // One cause, one item: a database that does not answer fails several checks.
    return !isDown && all.findIndex(([, other]) => !other.ok && other.code === code) === index;
  });
  const items = [
    ...failing.map(([name, view]) => itemOfCheck(name, view)),
    ...findings.map((finding) => ({ ...finding, since: null, silencedUntil: null })),
  ];
  return worstFirst(items);
}

function isOfConnection(code: string | undefined): boolean {
  return code?.startsWith('DATABASE_') ?? false;
}

/** Returns the same items, the worst first. */
export function worstFirst(items: readonly AttentionItem[]): AttentionItem[] {
  return SEVERITIES.flatMap((severity) => items.filter((item) => item.severity === severity));
}

function itemOfCheck(name: string, { code = 'CHECK_FAILED', details, gate, hint }: CheckView): AttentionItem {
  return {
    code,
    severity: gate === 'warn' ? 'warning' : 'critical',
    subject: name,
    text: details,
    remedy: TEXTS.get(code)?.remedy ?? (hint === undefined ? 'See the log of pgkeep.' : `See ${hint}.`),
    sql: null,
    since: null,
    silencedUntil: null,
  };
}
