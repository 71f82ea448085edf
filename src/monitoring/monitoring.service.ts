import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { CandidateRotation } from '../postgres/candidate-rotation.js';
import { connectOnce, withConnectionRetry, withDatabaseErrors } from '../postgres/connect.js';
import { closeClient } from '../postgres/deadline.js';
import { queryOne } from '../postgres/read.js';
import { combineReport } from './combine-report.js';
import type { MonitoringReport } from './monitoring.types.js';
import { LOCK_MS, type Sampled, type Sampler, STATEMENT_MS } from './probe.js';
import { PROBES } from './probes.js';
import { describeServer } from './server-context.js';

/** Two samples are this far apart, in ms, for rates. */
const RATE_MS = 1000;

interface Opened {
  readonly client: Client;
  readonly connectMs: number;
}

/** Looks at a database with every probe: sessions, locks, replication, dead rows, indexes, keys, settings. */
@Injectable()
export class MonitoringService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
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
    const server = await describeServer(client, {
      statementTimeoutMs: STATEMENT_MS.sample,
      lockTimeoutMs: LOCK_MS,
    });
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
    return combineReport(this.settings, {
      at: this.clock.now(),
      server,
      measured: { connectMs, roundTripMs },
      sampled: [...sampled.values()],
    });
  }
}
