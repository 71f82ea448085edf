import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { formatCount } from '../core/text.js';
import { CandidateRotation } from '../postgres/candidate-rotation.js';
import { connectOnce, withConnectionRetry, withDatabaseErrors } from '../postgres/connect.js';
import { closeClient } from '../postgres/deadline.js';
import { queryOne } from '../postgres/read.js';
import {
  type MonitoringFinding,
  type MonitoringReport,
  SEVERITIES,
  type Vitals,
} from './monitoring.types.js';
import type { Sampled, Sampler } from './probe.js';
import { PROBES } from './probes.js';
import { describeServer, type ServerDescription } from './server-context.js';

/** Reports a connection that takes long; measured by the connection itself, so no probe has it. */
export const CONNECTION_SLOW = {
  meaning: 'A new connection takes longer than DB_CONNECTION_TIME_THRESHOLD.',
  remedy: 'Look at the server’s load, at DNS, TLS and pg_hba.conf; put a connection pooler in between.',
} as const;

/** Every code that a report can have. */
export const MONITORING_CODES: readonly string[] = [
  'CONNECTION_SLOW',
  ...PROBES.flatMap(({ codes }) => Object.keys(codes)),
];

/** Two samples are this far apart, in ms, for rates. */
const RATE_MS = 1000;

const UNKNOWN = {
  oldestTransactionSeconds: null,
  longestStatementSeconds: null,
  transactionsPerSecond: null,
  rollbacksPerSecond: null,
  deadlocks: null,
  cacheHit: null,
  statementsPerSecond: null,
  meanStatementMs: null,
  sizeBytes: null,
  transactionIdAge: null,
};

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
    const server = await describeServer(client, { statementTimeoutMs: 4000, lockTimeoutMs: 100 });
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
    return this.combine(server, { connectMs, roundTripMs }, [...sampled.values()]);
  }

  private combine(
    server: ServerDescription,
    measured: Pick<Vitals, 'connectMs' | 'roundTripMs'>,
    sampled: readonly Sampled[],
  ): MonitoringReport {
    const findings = [
      ...this.connectionFindings(measured.connectMs),
      ...sampled.flatMap((one) => one.findings),
    ];
    return {
      database: server.database,
      environment: this.settings.environment,
      version: server.version,
      sampledAt: this.clock.now().toISOString(),
      vitals: vitalsOf(measured, sampled),
      sessions: sampled.find(({ sessions }) => sessions)?.sessions ?? null,
      applications: sampled.flatMap(({ applications }) => applications ?? []),
      statements: sampled.flatMap(({ statements }) => statements ?? []),
      largest: sampled.flatMap(({ largest }) => largest ?? []),
      findings: SEVERITIES.flatMap((severity) => findings.filter((finding) => finding.severity === severity)),
      unseen: sampled.flatMap(({ unseen }) => unseen ?? []),
      codes: MONITORING_CODES.length,
    };
  }

  private connectionFindings(connectMs: number): MonitoringFinding[] {
    const { connectionTimeMs } = this.settings.monitoring;
    if (connectMs < connectionTimeMs) return [];
    return [
      {
        code: 'CONNECTION_SLOW',
        severity: 'warning',
        subject: '',
        text: `A connection takes ${formatCount(Math.round(connectMs))} ms; DB_CONNECTION_TIME_THRESHOLD is ${formatCount(connectionTimeMs)} ms`,
        remedy: CONNECTION_SLOW.remedy,
        sql: null,
      },
    ];
  }
}

function vitalsOf(measured: Pick<Vitals, 'connectMs' | 'roundTripMs'>, sampled: readonly Sampled[]): Vitals {
  const vitals: Vitals = { ...measured, ...UNKNOWN };
  for (const one of sampled) Object.assign(vitals, one.vitals);
  return vitals;
}
