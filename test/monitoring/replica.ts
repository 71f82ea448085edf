import { Test, type TestingModule } from '@nestjs/testing';
import { readSettings } from '../../src/config/read-settings.js';
import { Clock } from '../../src/core/clock.js';
import { HistoryService } from '../../src/monitoring/history/history.service.js';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import { MonitorWatch } from '../../src/monitoring/watch/monitor-watch.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ClockAhead } from '../support/clock-ahead.js';

/** Later than any probe rests. */
const LATER_MS = 7_200_000;

/** One replica, which samples when a test calls it. */
export class Replica {
  readonly watch: MonitorWatch;
  readonly history: HistoryService;

  private constructor(
    private readonly app: TestingModule,
    private readonly clock: ClockAhead,
  ) {
    this.watch = app.get(MonitorWatch);
    this.history = app.get(HistoryService);
  }

  static async open(url: string, environment: Readonly<Record<string, string>> = {}): Promise<Replica> {
    const settings = readSettings({ DATABASE_URL: url, DB_MONITORING_ENABLED: 'true', ...environment });
    const clock = new ClockAhead();
    const app = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings)] })
      .overrideProvider(Clock)
      .useValue(clock)
      .compile();
    app.useLogger(false);
    return new Replica(app, clock);
  }

  /** Samples with every probe. */
  async step(): Promise<MonitorSample> {
    return await this.stepAfter(LATER_MS);
  }

  /** Samples when so much time has passed. */
  async stepAfter(ms: number): Promise<MonitorSample> {
    this.clock.aheadMs += ms;
    return await this.watch.step();
  }

  async close(): Promise<void> {
    await this.app.close();
  }
}
