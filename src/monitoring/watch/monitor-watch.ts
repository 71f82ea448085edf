import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Inject, Injectable, Logger } from '@nestjs/common';
import { describeServer as describeAddress } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { renewLease } from '../../jobs/lease.service.js';
import { type DatabaseFault, databaseFault } from '../../postgres/database-fault.js';
import { DeadlineError, withDeadline } from '../../postgres/deadline.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { unknownIgnored, withoutIgnored } from '../combine-report.js';
import { downFinding, refusedFinding } from '../connection-codes.js';
import type { MonitoringReport } from '../monitoring.types.js';
import { STATEMENT_MS } from '../probe.js';
import { ForecastService } from '../forecast.service.js';
import { HistoryService } from '../history/history.service.js';
import { describeServer, type ServerDescription } from '../server-context.js';
import { MonitorConnection } from './monitor-connection.js';
import type { DatabaseDown, MonitorSample, SampleListener } from './monitor-sample.js';
import { RepeatedLook, TIMEOUTS } from './repeated-look.js';

export const MONITOR_LEASE = 'monitor';

/** Only pgkeep locks the lease, and briefly. */
const LEASE_TIMEOUTS = { statementTimeoutMs: STATEMENT_MS.sample, lockTimeoutMs: 2000 };

/** A lease outlasts two samples that were missed, and a sample in which the hourly probes take long. */
const SHORTEST_LEASE_S = 45;
const STOP_MS = 1000;

/** What this replica is in a sample, and what server it found. */
interface Turn extends Pick<MonitorSample, 'role' | 'fence'> {
  readonly server: ServerDescription;
}

/** Samples the database in the background: of several replicas, the one that holds the lease does. */
@Injectable()
export class MonitorWatch implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Monitoring');
  private readonly holder = `${process.pid}@${hostname()}/${randomUUID().slice(0, 8)}`;
  private readonly connection: MonitorConnection;
  private readonly look: RepeatedLook;
  private readonly stop = new AbortController();
  private readonly listeners: SampleListener[] = [];
  private current: MonitorSample | undefined;
  private timer: NodeJS.Timeout | undefined;
  private stepping: Promise<MonitorSample> | undefined;
  private loggedFault: string | undefined;
  private isStarted = false;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly history: HistoryService,
    forecasts: ForecastService,
  ) {
    this.connection = new MonitorConnection(settings.database);
    this.look = new RepeatedLook({
      settings,
      clock,
      forecasts,
      connection: this.connection,
      intervalMs: settings.monitoring.intervalMs,
      readPerformance: (client) => this.history.performance(client, TIMEOUTS),
    });
  }

  /** Starts sampling; does nothing where DB_MONITORING_ENABLED is not true, or when called again. */
  start(): void {
    if (this.isStarted || this.stop.signal.aborted || !this.settings.monitoring.enabled) return;
    this.isStarted = true;
    for (const code of unknownIgnored(this.settings)) {
      this.logger.warn(`DB_MONITORING_IGNORE names ${code}, which is no code of monitoring.`);
    }
    void this.stepAndPlan();
  }

  /** Returns what is known, from memory; undefined before the first sample. */
  latest(): MonitorSample | undefined {
    return this.current;
  }

  /** Calls `listener` after each sample. */
  onSample(listener: SampleListener): void {
    this.listeners.push(listener);
  }

  /** Takes one sample, or waits for the one that is under way. Never throws. */
  async step(): Promise<MonitorSample> {
    this.stepping ??= this.takeSample().finally(() => {
      this.stepping = undefined;
    });
    return await this.stepping;
  }

  /** Stops sampling, and gives the lease back, so that another replica need not wait for its end. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    clearTimeout(this.timer);
    await withDeadline(this.end(), STOP_MS).catch(() => undefined);
    await this.connection.close();
  }

  private async end(): Promise<void> {
    await this.stepping;
    if (this.current?.role !== 'leader' || this.current.fence === null) return;
    const ended = { name: MONITOR_LEASE, holder: this.holder, seconds: 0 };
    await this.connection.use(STOP_MS, (client) => renewLease(client, ended, TIMEOUTS));
  }

  private async stepAndPlan(): Promise<void> {
    const beganMs = this.clock.monotonicMs();
    await this.step();
    if (this.stop.signal.aborted) return;
    const tookMs = this.clock.monotonicMs() - beganMs;
    // The listening socket keeps a service alive; an importing test or script must be able to end.
    this.timer = setTimeout(
      () => void this.stepAndPlan(),
      Math.max(this.settings.monitoring.intervalMs - tookMs, 0),
    ).unref();
  }

  private async takeSample(): Promise<MonitorSample> {
    const sample = await this.sampleOrFault();
    this.logChange(sample);
    this.history.noteDown(sample.down !== undefined);
    this.current = sample;
    for (const listener of this.listeners) {
      try {
        await listener(sample);
      } catch (error) {
        this.logger.error(`What follows a sample failed: ${messageOf(error)}`);
      }
    }
    return sample;
  }

  private async sampleOrFault(): Promise<MonitorSample> {
    const at = this.clock.now();
    try {
      const turn = await this.takeTurn();
      const report =
        turn.role === 'leader'
          ? await this.lookAndRecord(turn, at)
          : await this.readReport().catch(() => undefined);
      const { role, fence } = turn;
      return { at, role, fence, report, down: undefined, findings: report?.findings ?? [] };
    } catch (error) {
      return this.withFault(error, at);
    }
  }

  /** Asks whose turn it is. That one connection broke, or hangs, says nothing: the second try opens another. */
  private async takeTurn(): Promise<Turn> {
    try {
      return await this.askTurn();
    } catch (error) {
      const isHanging = error instanceof DeadlineError;
      if (!isHanging && databaseFault(error).code !== 'DATABASE_UNREACHABLE') throw error;
      return await this.askTurn();
    }
  }

  private async askTurn(): Promise<Turn> {
    return await this.connection.use(STATEMENT_MS.sample, async (client) => {
      const server = await describeServer(client, TIMEOUTS);
      if (!server.keepsRecords) return { server, role: 'leader', fence: null };
      const seconds = Math.max(SHORTEST_LEASE_S, (3 * this.settings.monitoring.intervalMs) / 1000);
      const lease = { name: MONITOR_LEASE, holder: this.holder, seconds };
      try {
        return { server, ...(await renewLease(client, lease, LEASE_TIMEOUTS)) };
      } catch (error) {
        if (databaseFault(error).code === 'DATABASE_UNREACHABLE') throw error;
        // The server answers, and cannot write: a full disk, a lock. What this replica was, it stays.
        this.logFault(`The lease cannot be renewed: ${databaseFault(error).text}`);
        const { role, fence } = this.current ?? { role: 'leader', fence: null };
        return { server, role, fence };
      }
    });
  }

  private async readReport(): Promise<MonitoringReport | undefined> {
    return await this.connection.use(STATEMENT_MS.sample, (client) =>
      this.history.newestReport(client, TIMEOUTS),
    );
  }

  /** Looks, and writes down what was seen. That it cannot be written is logged, and not the end of the sample. */
  private async lookAndRecord(turn: Turn, at: Date): Promise<MonitoringReport> {
    const beganMs = this.clock.monotonicMs();
    const report = await this.look.take(turn.server, at, this.stop.signal);
    const probeMs = this.clock.monotonicMs() - beganMs - (report.vitals.connectMs ?? 0);
    const minute = this.history.add({ report, probeMs, now: turn.server.now });
    const { fence } = turn;
    if (fence === null) return report;
    try {
      const lease = { name: MONITOR_LEASE, holder: this.holder, fence };
      await this.connection.use(4 * STATEMENT_MS.sample, (client) =>
        this.history.write(client, lease, { report, minute, isHourly: this.look.wasHourly }, TIMEOUTS),
      );
      this.loggedFault = undefined;
    } catch (error) {
      this.logFault(`The history cannot be written: ${databaseFault(error).text}`);
    }
    return report;
  }

  /** Logs a fault that stays once, and not every few seconds. */
  private logFault(fault: string): void {
    if (fault !== this.loggedFault) this.logger.warn(fault);
    this.loggedFault = fault;
  }

  /** Returns the sample of a database that does not answer: what was known stays, with its own time. */
  private withFault(error: unknown, at: Date): MonitorSample {
    const fault = databaseFault(error);
    const { role = 'follower', fence = null, report: known, findings = [] } = this.current ?? {};
    if (this.stop.signal.aborted || fault.code === 'CHECK_FAILED') {
      // The server answers, with an error.
      if (!this.stop.signal.aborted) this.logFault(`The database cannot be sampled: ${fault.text}`);
      return { at, role, fence, report: known, down: undefined, findings };
    }
    const isFull = errorCode(error) === SQLSTATE.tooManyConnections;
    const finding = isFull ? refusedFinding(this.address) : downFinding(this.address, fault);
    return {
      at,
      role,
      fence,
      report: known,
      down: isFull ? undefined : this.downSince(at, fault),
      findings: withoutIgnored(
        [finding, ...(known?.findings ?? []).filter(({ code }) => code !== finding.code)],
        this.settings.monitoring.ignored,
      ),
    };
  }

  private downSince(at: Date, { code, text }: DatabaseFault): DatabaseDown {
    return { since: this.current?.down?.since ?? at, code, text };
  }

  private get address(): string {
    return describeAddress(this.settings.database.url);
  }

  private logChange({ role, down, fence }: MonitorSample): void {
    const { current } = this;
    if (down && !current?.down) this.logger.warn(`The database does not answer: ${down.text}`);
    if (!down && current?.down) {
      const seconds = Math.round((this.clock.now().getTime() - current.down.since.getTime()) / 1000);
      this.logger.log(`The database answers again, after ${seconds} s.`);
    }
    if (down || (current?.role === role && (current.fence === null) === (fence === null))) return;
    if (role !== 'leader') this.logger.log('Another replica samples the database.');
    else if (fence === null) this.logger.log('Samples the database. Nothing is kept: see pgkeep install.');
    else this.logger.log('Samples the database.');
  }
}
