import { asksForAction, factsOf, listedAlerts, oneLine, sqlLines, titleOf } from './notice-text.js';
import type { Notice } from './notifier.types.js';

const LONGEST_SUMMARY = 1024;
/** This many incidents are closed for one notice; it limits requests to some hundred a minute. */
const MOST_RESOLVED = 100;

/**
 * Returns the events of PagerDuty's Events API v2: one, and with the last resolved alert a second, which closes the
 * incident of a notice about many.
 * @param key the integration's routing key
 */
export function pagerdutyEvents(notice: Notice, key: string): object[] {
  const { database, alerts, event, stillFiring } = notice;
  const [alert, ...others] = alerts;
  const isMany = others.length > 0;
  const incident = `pgkeep/${oneLine(database, 100)}`;
  const many = `${incident}/many`;
  const resolve = (dedupKey: string) => ({ routing_key: key, event_action: 'resolve', dedup_key: dedupKey });
  if (event === 'resolved') {
    return [
      ...alerts.slice(0, MOST_RESOLVED).map(({ id }) => resolve(`${incident}/${id}`)),
      ...(stillFiring === 0 ? [resolve(many)] : []),
    ];
  }
  return [
    {
      routing_key: key,
      event_action: 'trigger',
      dedup_key: isMany ? many : `${incident}/${alert.id}`,
      payload: {
        summary: oneLine(titleOf(notice), LONGEST_SUMMARY),
        source: oneLine(database),
        severity: alert.severity,
        component: 'postgresql',
        class: alert.code,
        custom_details: isMany ? { alerts: listedAlerts(notice) } : detailsOf(notice),
      },
      ...(notice.link !== null && { links: [{ href: notice.link, text: 'pgkeep' }] }),
    },
  ];
}

function detailsOf(notice: Notice): object {
  const [alert] = notice.alerts;
  const facts = factsOf(notice, alert).map(({ label, value }) => [label, value] as const);
  return {
    ...Object.fromEntries(facts),
    ...(asksForAction(notice) && { 'What to do': alert.remedy }),
    ...(alert.sql !== null && { 'To run': sqlLines(alert.sql) }),
  };
}
