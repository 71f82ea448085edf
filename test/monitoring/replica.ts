import { readSettings } from '../../src/config/read-settings.js';
import { SystemClock } from '../../src/core/clock.js';
import { HistoryService } from '../../src/monitoring/history/history.service.js';
import type { MonitorSample, SampleListener } from '../../src/monitoring/watch/monitor-sample.js';
import { MonitorWatch } from '../../src/monitoring/watch/monitor-watch.js';
import { DatabaseService } from '../../src/postgres/database.service.js';

/** Later than any probe rests. */
const LATER_MS = 7_200_000;

/** One replica, which samples when a test calls it. */
export class Replica {
  private readonly clock = new (class extends SystemClock {
    aheadMs = 0;
    override monotonicMs(): number {
      return super.monotonicMs() + this.aheadMs;
    }
  })();
  readonly history: HistoryService;
  private readonly database: DatabaseService;
  private readonly watch: MonitorWatch;

  constructor(url: string, environment: Readonly<Record<string, string>>) {
    const settings = readSettings({ DATABASE_URL: url, DB_MONITORING_ENABLED: 'true', ...environment });
    this.database = new DatabaseService(settings);
    this.history = new HistoryService(settings, this.clock, this.database);
    this.watch = new MonitorWatch(settings, this.clock, this.history);
  }

  async step(): Promise<MonitorSample> {
    this.clock.aheadMs += LATER_MS;
    return await this.watch.step();
  }

  latest(): MonitorSample | undefined {
    return this.watch.latest();
  }

  onSample(listener: SampleListener): void {
    this.watch.onSample(listener);
  }

  async close(): Promise<void> {
    await this.watch.beforeApplicationShutdown();
    await this.database.onApplicationShutdown();
  }
}
