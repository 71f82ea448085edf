import { Inject, Injectable } from '@nestjs/common';
import type { ClientBase } from 'pg';
import { PGKEEP_VERSION } from '../../config/pgkeep-version.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { type ReadTimeouts, read, tableExists } from '../../postgres/read.js';
import { inTransaction } from '../../postgres/transaction.js';
import { HELD_LEASE } from '../../jobs/lease.service.js';
import type { MonitoringReport } from '../monitoring.types.js';
import type { Performance } from '../watch/trends.js';
import {
  DELETE_OLD,
  READ_REPORT,
  READ_SERIES,
  ROLL_UP,
  STEPS,
  storedValues,
  WRITE_MINUTE,
  WRITE_REPORT,
} from './history-statements.js';
import { readUsualMs, recordDay } from './daily-records.js';
import { historyValues } from './history-vitals.js';
import { type Minute, Minutes } from './minutes.js';
import { planSeries, type Series, type SeriesRequest, type SeriesValue, toSeries } from './series.js';

/** Who writes: what is written is written only while this lease is held. */
export interface HeldLease {
  readonly name: string;
  readonly holder: string;
  readonly fence: bigint;
}

/** One sample, and what writes it. */
export interface Recorded {
  readonly report: MonitoringReport;
  /** How long the probes took. */
  readonly probeMs: number;
  /** The database's clock. */
  readonly now: Date;
}

/** What is written after a sample. */
export interface Written {
  readonly report: MonitoringReport;
  /** The minute that is complete. */
  readonly minute: Minute | undefined;
  /** Whether what is kept of each day is written, too. */
  readonly isHourly: boolean;
}

interface StoredReport {
  readonly version: string;
  readonly report: MonitoringReport;
}

/** How long statements must be slow. */
const RECENT_MINUTES = 15;
/** Requests of pages are few. */
const MOST_CACHED = 20;

/** Keeps what was measured: in schema pgkeep, or in memory where nothing can be written there. */
@Injectable()
export class HistoryService {
  private readonly minutes = new Minutes();
  private rolledUpAt: number | undefined;
  private isDown = false;
  /** When the last sample was taken: by the database's clock, and by the monotonic one. */
  private sampled: { readonly now: Date; readonly atMs: number } | undefined;
  /** What was read lately, by its request: pages ask for the same again and again. */
  private readonly lately = new Map<string, { readonly series: Series; readonly atMs: number }>();

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
  ) {}

  /**
   * Reads what was measured; at most once between two samples. From memory, for up to 48 hours, while the database does
   * not answer, and where schema pgkeep is not installed.
   */
  async series(request: SeriesRequest): Promise<Series> {
    const key = `${request.hours} ${request.vitals.join(' ')}`;
    const { intervalMs } = this.settings.monitoring;
    const cached = this.lately.get(key);
    const nowMs = this.clock.monotonicMs();
    if (cached && (this.isDown || nowMs - cached.atMs < intervalMs)) return cached.series;
    const plan = planSeries(request.hours, intervalMs);
    // The numbers in memory are better than none; what is wrong with the database is reported elsewhere.
    const stored = this.isDown ? undefined : await this.readStored(request, plan).catch(() => undefined);
    if (!stored) {
      const now = this.databaseNow();
      return toSeries(request, plan.step, this.minutes.values(request, plan.step, now), now);
    }
    const series = toSeries(request, plan.step, stored.values, stored.now);
    this.lately.delete(key);
    this.lately.set(key, { series, atMs: nowMs });
    const [oldest] = this.lately.keys();
    if (this.lately.size > MOST_CACHED && oldest !== undefined) this.lately.delete(oldest);
    return series;
  }

  /** Notes whether the database answers: while it does not, it is not asked. */
  noteDown(isDown: boolean): void {
    this.isDown = isDown;
  }

  /** Adds a sample in memory. Returns the minute that it completes. */
  add({ report, probeMs, now }: Recorded): Minute | undefined {
    this.sampled = { now, atMs: this.clock.monotonicMs() };
    return this.minutes.add(historyValues(report, probeMs), now);
  }

  /** Returns how statements performed in the last quarter of an hour, and how they usually do; undefined if that is not known. */
  async performance(client: ClientBase, timeouts: ReadTimeouts): Promise<Performance | undefined> {
    const meanMs = this.minutes.recentAverage('meanStatementMs', RECENT_MINUTES);
    const callsPerSecond = this.minutes.recentAverage('statementsPerSecond', RECENT_MINUTES);
    if (meanMs === undefined || callsPerSecond === undefined) return undefined;
    const usualMs = await readUsualMs(client, timeouts);
    return usualMs === null ? undefined : { meanMs, callsPerSecond, usualMs };
  }

  /** Writes a report for the other replicas and, where it is complete, the minute before. @throws what the database answers. */
  async write(
    client: ClientBase,
    { name, holder, fence }: HeldLease,
    { report, minute, isHourly }: Written,
    timeouts: ReadTimeouts,
  ): Promise<void> {
    const lease = [name, holder, fence.toString()];
    const stored: StoredReport = { version: PGKEEP_VERSION, report };
    await inTransaction(client, { ...timeouts, mode: 'READ WRITE', isWithoutJit: true }, async () => {
      // Locked until the end: what follows is written by the holder of the lease, or not at all.
      const { rowCount } = await client.query(HELD_LEASE, lease);
      if (rowCount === 0) return;
      await client.query(WRITE_REPORT, [JSON.stringify(stored)]);
      if (isHourly) await recordDay(client);
      if (minute) await this.writeMinute(client, minute);
    });
  }

  /** Reads the report that the leader wrote last; undefined if there is none that is current, or of this version. */
  async newestReport(client: ClientBase, timeouts: ReadTimeouts): Promise<MonitoringReport | undefined> {
    const seconds = (4 * this.settings.monitoring.intervalMs) / 1000;
    const rows = await read<{ report: StoredReport }>(client, {
      sql: READ_REPORT,
      values: [seconds],
      ...timeouts,
    });
    const [row] = rows;
    return row?.report.version === PGKEEP_VERSION ? row.report.report : undefined;
  }

  /** Writes a minute and, once in a quarter of an hour, makes the rows of longer times, and deletes what is old. */
  private async writeMinute(client: ClientBase, { at, values }: Minute): Promise<void> {
    await client.query(WRITE_MINUTE, [at, JSON.stringify(storedValues(values))]);
    const quarter = Math.floor(at / 900);
    if (this.rolledUpAt === quarter) return;
    for (const [index, { minutes }] of STEPS.entries()) {
      const finer = STEPS[index - 1];
      if (finer) await client.query(ROLL_UP, [minutes, finer.minutes]);
    }
    for (const { minutes, keptHours } of STEPS) await client.query(DELETE_OLD, [minutes, keptHours]);
    this.rolledUpAt = quarter;
  }

  /** Returns the time by the database's clock, which the minutes in memory have: this machine's may be wrong. */
  private databaseNow(): Date {
    if (!this.sampled) return this.clock.now();
    return new Date(this.sampled.now.getTime() + this.clock.monotonicMs() - this.sampled.atMs);
  }

  private async readStored(
    { vitals, hours }: SeriesRequest,
    { step, source }: { readonly step: number; readonly source: number },
  ): Promise<{ readonly values: SeriesValue[]; readonly now: Date } | undefined> {
    const { primary, timeouts } = this.database;
    return await this.database.withPooled(primary, async (client) => {
      if (!(await tableExists(client, { schema: 'pgkeep', table: 'sample' }, timeouts))) return undefined;
      const values = await read<SeriesValue>(client, {
        sql: READ_SERIES,
        values: [vitals, step, hours, source],
        isWithoutJit: true,
        ...timeouts,
      });
      const [clock] = await read<{ now: Date }>(client, {
        sql: 'SELECT pg_catalog.now() AS now',
        ...timeouts,
      });
      return { values, now: clock?.now ?? this.clock.now() };
    });
  }
}
