import { Test, type TestingModule } from '@nestjs/testing';
import { FailedLogins } from '../../src/access/failed-logins.js';
import { AlertWatch } from '../../src/alerts/alert-watch.js';
import { AlertsModule } from '../../src/alerts/alerts.module.js';
import { AlertsService } from '../../src/alerts/alerts.service.js';
import { readSettings } from '../../src/config/read-settings.js';
import { Clock } from '../../src/core/clock.js';
import type { MonitoringFinding } from '../../src/monitoring/monitoring.types.js';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { ClockAhead } from '../support/clock-ahead.js';

/** A finding of a probe that fires immediately. */
export function blocked(changes: Partial<MonitoringFinding> = {}): MonitoringFinding {
  return {
    code: 'BLOCKED',
    severity: 'critical',
    subject: 'clinic-import',
    text: '2 sessions wait for clinic-import, for 74 s now',
    remedy: 'End the session that holds the lock, then find out why it keeps it.',
    sql: 'SELECT pg_terminate_backend(21431);',
    ...changes,
  };
}

const DOWN: MonitoringFinding = {
  code: 'DATABASE_DOWN',
  severity: 'critical',
  subject: '',
  text: '127.0.0.1:5432 does not answer: connection refused',
  remedy: 'Run `pgkeep ping`.',
  sql: null,
};

/** One replica's alerts, fed with samples by a test. */
export class AlertReplica {
  private constructor(
    private readonly app: TestingModule,
    private readonly clock: ClockAhead,
  ) {}

  static async open(url: string, environment: Readonly<Record<string, string>> = {}): Promise<AlertReplica> {
    const settings = readSettings({ DATABASE_URL: url, NODE_ENV: 'test', ...environment });
    const clock = new ClockAhead();
    const app = await Test.createTestingModule({ imports: [PgkeepModule.forRoot(settings), AlertsModule] })
      .overrideProvider(Clock)
      .useValue(clock)
      .compile();
    app.useLogger(false);
    return new AlertReplica(app, clock);
  }

  get service(): AlertsService {
    return this.app.get(AlertsService);
  }

  get watch(): AlertWatch {
    return this.app.get(AlertWatch);
  }

  /** Counts failed logins, as wrong tokens do. */
  failLogins(count: number): void {
    for (let index = 0; index < count; index += 1) this.app.get(FailedLogins, { strict: false }).record();
  }

  /** Moves this replica's clock, not the database's. */
  wait(seconds: number): void {
    this.clock.aheadMs += seconds * 1000;
  }

  /** Takes a sample of a database that answers, and waits until its messages were tried. */
  async sample(
    findings: readonly MonitoringFinding[],
    turn: Pick<MonitorSample, 'role' | 'fence'> = { role: 'leader', fence: 1n },
  ): Promise<void> {
    await this.take({ ...turn, report: undefined, down: undefined, findings });
  }

  /** Takes a sample of a database that is down. */
  async sampleDown(
    turn: Pick<MonitorSample, 'role' | 'fence'> = { role: 'leader', fence: 1n },
  ): Promise<void> {
    const down = { since: this.clock.now(), code: 'DATABASE_UNREACHABLE', text: 'connection refused' };
    await this.take({ ...turn, report: undefined, down, findings: [DOWN] });
  }

  async close(): Promise<void> {
    await this.app.close();
  }

  private async take(sample: Omit<MonitorSample, 'at'>): Promise<void> {
    await this.watch.take({ at: this.clock.now(), ...sample });
    await this.watch.settled();
  }
}
