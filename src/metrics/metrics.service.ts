import { Inject, Injectable } from '@nestjs/common';
import { FailedLogins } from '../access/failed-logins.js';
import { AlertWatch } from '../alerts/alert-watch.js';
import { PGKEEP_VERSION } from '../config/pgkeep-version.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { MonitorWatch } from '../monitoring/watch/monitor-watch.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import { ALERT_METRICS } from './alert-metrics.js';
import { BACKUP_METRICS } from './backup-metrics.js';
import { exposition } from './exposition.js';
import type { Metric } from './metric.js';
import { MONITORING_METRICS } from './monitoring-metrics.js';
import { SERVICE_METRICS } from './service-metrics.js';

/** Every metric, in the order of `/metrics`. */
export const METRICS: readonly Metric[] = [
  ...SERVICE_METRICS,
  ...BACKUP_METRICS,
  ...MONITORING_METRICS,
  ...ALERT_METRICS,
];

/** Writes what this process knows as metrics. */
@Injectable()
export class MetricsService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly readiness: ReadinessMonitor,
    private readonly monitoring: MonitorWatch,
    private readonly logins: FailedLogins,
    private readonly alerts: AlertWatch,
  ) {}

  /**
   * Returns every metric in Prometheus' text format 0.0.4, from memory: a scrape asks the database nothing. Only before
   * the first evaluation has ended it waits for that, at most `READINESS_TIMEOUT_MS`.
   */
  async exposition(): Promise<string> {
    const { environment, database } = this.settings;
    const verdict = await this.readiness.verdict();
    return exposition(METRICS, {
      version: PGKEEP_VERSION,
      environment,
      database: database.url.database,
      verdict,
      learned: this.readiness.learned(),
      failedLogins: this.logins.total,
      sample: this.monitoring.latest(),
      alerts: this.alerts.alerts(),
      deliveries: this.alerts.counts(),
    });
  }
}
