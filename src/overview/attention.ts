import type { AlertView } from '../alerts/alerts.types.js';
import { readinessFindings } from '../alerts/sources/readiness-findings.js';
import { type MonitoringFinding, SEVERITIES } from '../monitoring/monitoring.types.js';
import type { Verdict } from '../readiness/readiness.types.js';
import type { AttentionItem } from './overview.types.js';

/**
 * Returns what needs attention, the worst first: what the checks and the probes find now, with what is known of its alert,
 * and the alerts of other sources, such as jobs and refused sign-ins. Pure.
 */
export function attentionOf(
  verdict: Verdict,
  findings: readonly MonitoringFinding[],
  alerts: readonly AlertView[] = [],
): AttentionItem[] {
  const isDown = findings.some(({ code }) => code === 'DATABASE_DOWN');
  // One cause, one item: a database that does not answer fails several checks.
  const checks = readinessFindings(verdict).filter(({ code }) => !isDown || !code.startsWith('DATABASE_'));
  const found = [...checks, ...findings];
  const open = alerts.filter(({ state }) => state !== 'resolved');
  const items = [
    ...found.map((finding) =>
      itemOf(
        finding,
        open.find((alert) => isSame(alert, finding)),
      ),
    ),
    ...open
      .filter((alert) => !found.some((finding) => isSame(alert, finding)))
      .map((alert) => itemOf(alert, alert)),
  ];
  return SEVERITIES.flatMap((severity) => items.filter((item) => item.severity === severity));
}

function itemOf(
  { code, severity, subject, text, remedy, sql }: MonitoringFinding,
  alert: AlertView | undefined,
): AttentionItem {
  const since = alert?.since ?? null;
  return { code, severity, subject, text, remedy, sql, since, silencedUntil: alert?.silencedUntil ?? null };
}

type Named = Pick<AttentionItem, 'code' | 'subject'>;

function isSame(left: Named, right: Named): boolean {
  return left.code === right.code && left.subject === right.subject;
}
