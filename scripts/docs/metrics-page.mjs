import { ALERT_METRICS } from '../../dist/metrics/alert-metrics.js';
import { BACKUP_METRICS } from '../../dist/metrics/backup-metrics.js';
import { MONITORING_METRICS } from '../../dist/metrics/monitoring-metrics.js';
import { SERVICE_METRICS } from '../../dist/metrics/service-metrics.js';
import { fillParts, table } from './markdown.mjs';

/** @type {import('./pages.mjs').Page} */
export const metricsPage = {
  file: 'docs/metrics.md',
  render: (current) =>
    fillParts(current, {
      service: tableOf(SERVICE_METRICS),
      backups: tableOf(BACKUP_METRICS),
      monitoring: tableOf(MONITORING_METRICS),
      alerts: tableOf(ALERT_METRICS),
    }),
};

/** @param {readonly import('../../dist/metrics/metric.js').Metric[]} metrics */
function tableOf(metrics) {
  return table(
    ['metric', 'type', 'labels', 'meaning'],
    metrics.map(({ name, type, labels, help }) => [
      `\`${name}\``,
      type,
      labels.map((label) => `\`${label}\``).join(', '),
      help,
    ]),
  );
}
