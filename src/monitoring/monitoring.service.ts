import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { describeDatabaseUrl, describeServer as describeAddress } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { CandidateRotation } from '../postgres/candidate-rotation.js';
import { connectOnce, withConnectionRetry, withDatabaseErrors } from '../postgres/connect.js';
import { databaseFault } from '../postgres/database-fault.js';
import { closeClient } from '../postgres/deadline.js';
import { queryOne } from '../postgres/read.js';
import { combineReport } from './combine-report.js';
import { ForecastService } from './forecast.service.js';
import { downFinding } from './connection-codes.js';
import type { MonitoringFinding, MonitoringReport } from './monitoring.types.js';
import { type Sampled, type Sampler, STATEMENT_MS } from './probe.js';
import { PROBES } from './probes.js';
import { describeServer } from './server-context.js';
import { MonitorConnection } from './watch/monitor-connection.js';
import { RepeatedLook, TIMEOUTS } from './watch/repeated-look.js';

/** Two samples are this far apart, in ms, for rates. */
const RATE_MS = 1000;

/** While a person watches, probes rest ten times as long as they took, and not 100 times. */
const WATCHED_PAUSE_FACTOR = 10;

interface Opened {
  readonly client: Client;
  readonly connectMs: number;
}

/** What one of several looks saw: a report, or a database that does not answer. */
export type Looked =
  { readonly report: MonitoringReport } | { readonly at: Date; readonly finding: MonitoringFinding };

/** Looks at a database with every probe: sessions, locks, replication, dead rows, indexes, keys, settings. */
@Injectable()
export class MonitoringService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly forecasts: ForecastService,
  ) {}

  /**
   * Takes one look, on one connection, one statement at a time, read-only: two samples a second apart give the rates.
   * A probe that fails or lacks a right is listed as unseen, and the others go on.
   * @throws PgkeepError `DATABASE_UNREACHABLE`, `DATABASE_TIMEOUT` or `DATABASE_ERROR` if no connection can be opened.
   */
  async look(signal?: AbortSignal): Promise<MonitoringReport> {
    const { url } = this.settings.database;
    return await withDatabaseErrors(`look at ${describeDatabaseUrl(url)}`, async () => {
      const { client, connectMs } = await this.connect();
      try {
        return await this.report(client, connectMs, signal);
      } finally {
        await closeClient(client);
      }
    });
  }

  /**
   * Looks again and again until `signal` is aborted: cheap probes each time, the others every minute and every hour.
   * @param periodMs the time between two looks
   */
  async *watch(periodMs: number, signal: AbortSignal): AsyncGenerator<Looked, void> {
    const { settings, clock, forecasts } = this;
    const connection = new MonitorConnection(settings.database);
    const pace = { intervalMs: periodMs, pauseFactor: WATCHED_PAUSE_FACTOR };
    const look = new RepeatedLook({ settings, clock, forecasts, connection, ...pace });
    try {
      while (!signal.aborted) {
        const beganMs = clock.monotonicMs();
        yield await this.lookOnce(connection, look, signal);
        const restMs = Math.max(0, periodMs - (clock.monotonicMs() - beganMs));
        await sleep(restMs, undefined, { signal }).catch(() => undefined);
      }
    } finally {
      await connection.close();
    }
  }

  private async lookOnce(
    connection: MonitorConnection,
    look: RepeatedLook,
    signal: AbortSignal,
  ): Promise<Looked> {
    try {
      const server = await connection.use(STATEMENT_MS.sample, (client) => describeServer(client, TIMEOUTS));
      return { report: await look.take(server, this.clock.now(), signal) };
    } catch (error) {
      const finding = downFinding(describeAddress(this.settings.database.url), databaseFault(error));
      return { at: this.clock.now(), finding };
    }
  }

  private async connect(): Promise<Opened> {
    const { url, connectTimeoutMs, queryTimeoutMs } = this.settings.database;
    const rotation = new CandidateRotation(url);
    return await withConnectionRetry(async () => {
      const started = performance.now();
      const client = await connectOnce(rotation, {
        connectTimeoutMs,
        answerTimeoutMs: queryTimeoutMs,
        applicationName: 'pgkeep monitor',
      });
      return { client, connectMs: performance.now() - started };
    });
  }

  private async report(client: Client, connectMs: number, signal?: AbortSignal): Promise<MonitoringReport> {
    const started = performance.now();
    await queryOne(client, 'SELECT 1 AS answered');
    const roundTripMs = performance.now() - started;
    const server = await describeServer(client, TIMEOUTS);
    const samplers = PROBES.map((probe) => probe.sampler());
    const sampled = new Map<Sampler, Sampled>();
    const sample = async (sampler: Sampler): Promise<void> => {
      signal?.throwIfAborted();
      const given = { server, thresholds: this.settings.monitoring, nowMs: performance.now() };
      sampled.set(sampler, await sampler.sample(client, given));
    };
    // Those with rates first, so that the others take place in between.
    const rated = samplers.filter(({ probe }) => probe.hasRates);
    for (const sampler of rated) await sample(sampler);
    const firstMs = performance.now();
    for (const sampler of samplers) if (!sampler.probe.hasRates) await sample(sampler);
    await sleep(Math.max(0, RATE_MS - (performance.now() - firstMs)), undefined, signal && { signal });
    for (const sampler of rated) await sample(sampler);
    const seen = { server, sampled: [...sampled.values()] };
    const now = this.clock.now();
    const outlook = await this.forecasts.read(client, { ...seen, now, timeouts: TIMEOUTS });
    return combineReport(this.settings, { ...seen, at: now, measured: { connectMs, roundTripMs }, outlook });
  }
}
