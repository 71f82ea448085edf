import type { Client } from 'pg';
import { describeServer as describeAddress } from '../../config/database-url.js';
import type { Settings } from '../../config/settings.js';
import type { Clock } from '../../core/clock.js';
import { errorCode } from '../../core/errors.js';
import { DeadlineError } from '../../postgres/deadline.js';
import { SQLSTATE } from '../../postgres/sqlstates.js';
import { combineReport, type ConnectionVitals, withoutIgnored, worstFirst } from '../combine-report.js';
import { refusedFinding } from '../connection-codes.js';
import type { ForecastService, Outlook } from '../forecast.service.js';
import type { MonitoringFinding, MonitoringReport } from '../monitoring.types.js';
import { LOCK_MS, type Sampled, type Sampler, STATEMENT_MS, type Tier } from '../probe.js';
import { PROBES } from '../probes.js';
import type { ServerDescription } from '../server-context.js';
import type { MonitorConnection } from './monitor-connection.js';
import { TierPace } from './tier-pace.js';
import { FailureTrend, type Performance, performanceFindings, slowFindings } from './trends.js';

export const TIMEOUTS = { statementTimeoutMs: STATEMENT_MS.sample, lockTimeoutMs: LOCK_MS };

/** What a look is taken with. */
export interface LookContext {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly connection: MonitorConnection;
  readonly forecasts: ForecastService;
  /** The time between two looks. */
  readonly intervalMs: number;
  /** How many times as long as they took the probes rest. Defaults to 100. */
  readonly pauseFactor?: number;
  /** Compares with the past, if there is a history. */
  readonly readPerformance?: (client: Client) => Promise<Performance | undefined>;
}

/** Looks at a database again and again: cheap probes each time, the others at their pace, with their last answer in between. */
export class RepeatedLook {
  private readonly samplers: readonly Sampler[] = PROBES.map((probe) => probe.sampler());
  private readonly sampled = new Map<Sampler, Sampled>();
  private readonly failures = new FailureTrend();
  private readonly pace: TierPace;
  private outlook: Outlook | undefined;
  private performance: Performance | undefined;
  /** Whether the hourly probes ran in the last look. */
  wasHourly = false;

  constructor(private readonly context: LookContext) {
    this.pace = new TierPace(context.intervalMs, context.pauseFactor);
  }

  /** Takes one look. @throws what broke the connection. */
  async take(server: ServerDescription, at: Date, signal?: AbortSignal): Promise<MonitoringReport> {
    const { settings, clock } = this.context;
    const connected = await this.connect();
    await this.sampleTier('sample', server, signal);
    const wasMinute = await this.sampleTier('minute', server, signal);
    this.wasHourly = await this.sampleTier('hour', server, signal);
    if (wasMinute || this.wasHourly) await this.readOutlook(server);
    // Its session has opened every sequence: the next one needs less memory.
    if (this.wasHourly) await this.context.connection.close();
    const others = [
      ...('refused' in connected ? [connected.refused] : []),
      ...performanceFindings(this.performance),
      ...slowFindings(this.pace),
    ];
    const report = combineReport(settings, {
      at,
      server,
      measured: 'refused' in connected ? { connectMs: null, roundTripMs: null } : connected,
      sampled: [...this.sampled.values()],
      outlook: this.outlook,
      others,
    });
    const failing = withoutIgnored(
      this.failures.add(report, clock.monotonicMs()),
      settings.monitoring.ignored,
    );
    return { ...report, findings: worstFirst([...report.findings, ...failing]) };
  }

  /** Measures a new connection. That the server has none left is a finding, and not the end of the look. */
  private async connect(): Promise<ConnectionVitals | { readonly refused: MonitoringFinding }> {
    const { connection, settings } = this.context;
    try {
      return await connection.measure();
    } catch (error) {
      if (errorCode(error) !== SQLSTATE.tooManyConnections) throw error;
      return { refused: refusedFinding(describeAddress(settings.database.url)) };
    }
  }

  /**
   * Samples one tier where it is due; returns whether it was. A probe that fails keeps its last findings, and is reported
   * as unseen.
   */
  private async sampleTier(tier: Tier, server: ServerDescription, signal?: AbortSignal): Promise<boolean> {
    const { clock, connection, settings } = this.context;
    const beganMs = clock.monotonicMs();
    if (!this.pace.isDue(tier, beganMs)) return false;
    try {
      for (const sampler of this.samplers.filter(({ probe }) => probe.tier === tier)) {
        signal?.throwIfAborted();
        const given = { server, thresholds: settings.monitoring, nowMs: clock.monotonicMs() };
        const sampled = await connection
          .use(STATEMENT_MS[tier], (client) => sampler.sample(client, given))
          .catch((error: unknown) => hanging(error, sampler));
        const { unseen } = sampled;
        this.sampled.set(sampler, unseen ? { ...sampled, ...this.sampled.get(sampler), unseen } : sampled);
        // The connection was cut. The others come with the next look, on another one.
        if (unseen?.isHanging) break;
      }
      return true;
    } finally {
      this.pace.took(tier, { beganMs, endedMs: clock.monotonicMs() });
    }
  }

  /** Forecasts, and compares with the past. What cannot be read stays as it was. */
  private async readOutlook(server: ServerDescription): Promise<void> {
    const { clock, connection, forecasts, readPerformance } = this.context;
    const seen = { server, sampled: [...this.sampled.values()], now: clock.now(), timeouts: TIMEOUTS };
    await connection.use(5 * STATEMENT_MS.sample, async (client) => {
      this.outlook = await forecasts.read(client, seen);
      if (server.hasRecords) this.performance = await readPerformance?.(client).catch(() => undefined);
    });
  }
}

/** Returns what a probe saw whose statement the server does not end, although its time is over. */
function hanging(error: unknown, { probe: { name } }: Sampler): Sampled {
  if (!(error instanceof DeadlineError)) throw error;
  return { findings: [], unseen: { probe: name, reason: error.message, isHanging: true } };
}
