import { byLabels, type Metric, type Sample } from './metric.js';

const STATES = ['pending', 'firing'] as const;

/** What is known of alerts and of the messages about them. */
export const ALERT_METRICS: readonly Metric[] = [
  byLabels({
    name: 'pgkeep_alerts',
    type: 'gauge',
    help: 'Alerts by state and severity, silenced ones included.',
    labels: ['state', 'severity'],
    read: ({ alerts }) => {
      const counts = new Map<string, Sample<'state' | 'severity'>>();
      for (const { state, severity } of alerts.values()) {
        if (!STATES.some((shown) => shown === state)) continue;
        const key = `${state} ${severity}`;
        counts.set(key, { labels: { state, severity }, value: (counts.get(key)?.value ?? 0) + 1 });
      }
      return [...counts.values()];
    },
  }),
  byLabels({
    name: 'pgkeep_alert_deliveries_total',
    type: 'counter',
    help: 'Attempts of this process to send a message, by receiver and result.',
    labels: ['receiver', 'result'],
    read: ({ deliveries }) =>
      [...deliveries].flatMap(([receiver, { sent, failed }]) => [
        { labels: { receiver, result: 'sent' }, value: sent },
        { labels: { receiver, result: 'failed' }, value: failed },
      ]),
  }),
];
