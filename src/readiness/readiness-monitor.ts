import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import type { HealthCheckResult } from '@nestjs/terminus';
import { Clock } from '../core/clock.js';
import type { ReadinessSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { withDeadline } from '../postgres/deadline.js';
import { messageOf } from '../core/errors.js';
import { ReadinessService } from './readiness.service.js';
import { hintOf } from './checks.js';
import { LatestVerdict } from './health-indicator.js';
import { type Learned, learnedFrom } from './learned.js';
import type { Evaluation, Judgement, Verdict } from './readiness.types.js';

/** A verdict older than this many periods is stale. */
const STALE_PERIODS = 3;
/** Kubernetes waits 30 s for a pod to end, and other parts must end within that, too. */
const LONGEST_DRAIN_MS = 10_000;

/**
 * Keeps the latest verdict fresh in the background, so that answering a probe reads memory only. Begins with
 * the first question or {@link start}; importing it alone does nothing.
 */
@Injectable()
export class ReadinessMonitor extends LatestVerdict implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Readiness');
  private readonly settings: ReadinessSettings;
  private latest: Evaluation | undefined;
  private known: Learned | undefined;
  /** By the monotonic clock. */
  private evaluatedAtMs = 0;
  /** How many evaluations in a row did not learn everything. */
  private misses = 0;
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private retry: NodeJS.Timeout | undefined;
  private draining = false;
  private logged: Verdict['status'] | undefined;
  private overlay: { readonly of: Verdict | undefined; readonly verdict: Verdict } | undefined;

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly clock: Clock,
    private readonly readiness: ReadinessService,
  ) {
    super();
    this.settings = settings.readiness;
  }

  /** Begins the background evaluations; a no-op when they run. */
  start(): void {
    if (this.timer || this.draining) return;
    this.timer = setInterval(() => void this.refresh(), this.settings.refreshMs);
    // The listening socket keeps a service alive; an importing test or script must be able to end.
    this.timer.unref();
    void this.refresh();
  }

  /** Evaluates now, or waits for the evaluation that is under way. */
  refresh(): Promise<void> {
    this.running ??= this.evaluate().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /**
   * Returns the verdict, from memory. Before the first evaluation has ended it waits for that, at most
   * `READINESS_TIMEOUT_MS`. The same object as long as nothing changed.
   */
  verdict(): Verdict | Promise<Verdict> {
    return this.latest ? this.overlaid() : this.firstVerdict();
  }

  /** Returns what the evaluations have learned, from memory; undefined before the first one ended. */
  learned(): Learned | undefined {
    return this.known;
  }

  /** Returns the same verdict in Terminus' format. */
  async health(): Promise<HealthCheckResult> {
    const { status, code } = await this.verdict();
    const health = this.judgement?.health ?? { status: 'error', info: {}, error: {}, details: {} };
    if (code === 'SHUTTING_DOWN') return { ...health, status: 'shutting_down' };
    return status === 'not_ready' ? { ...health, status: 'error' } : health;
  }

  /**
   * Answers "not ready" from now on. After SIGTERM the service keeps listening for one more period (10 s at most), so
   * that a load balancer notices and stops sending requests; Ctrl-C does not wait.
   */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.draining = true;
    const wasServing = this.timer !== undefined;
    clearInterval(this.timer);
    clearTimeout(this.retry);
    if (signal === 'SIGTERM' && wasServing) await sleep(Math.min(this.settings.refreshMs, LONGEST_DRAIN_MS));
    await this.running;
  }

  /** What counts now of the latest evaluation. */
  private get judgement(): Judgement | undefined {
    const { latest } = this;
    const standsIn = latest?.standIn && this.clock.monotonicMs() < latest.standIn.untilMs;
    return standsIn ? latest.standIn : latest;
  }

  private async evaluate(): Promise<void> {
    const beganAtMs = this.clock.monotonicMs();
    try {
      this.latest = await this.readiness.evaluate();
      this.evaluatedAtMs = this.clock.monotonicMs();
      this.known = learnedFrom(this.latest.facts, this.clock.now(), this.known);
      this.misses = this.latest.isComplete ? 0 : this.misses + 1;
      this.retryAfterMiss(beganAtMs);
      this.logChange(this.judgement?.verdict ?? this.latest.verdict);
    } catch (error) {
      // The last verdict stays until it is stale, which /ready reports.
      this.logger.error(`The evaluation failed: ${messageOf(error)}`);
    }
  }

  /**
   * Begins the next evaluation as soon as the deadline of one that missed something has passed: after a start, or when
   * the database is back, a period is a long wait. What does not answer for longer is asked once a period.
   */
  private retryAfterMiss(beganAtMs: number): void {
    const { timeoutMs, failureThreshold } = this.settings;
    if (!this.timer || this.draining || this.misses === 0) return;
    if (this.misses > Math.max(1, failureThreshold)) return;
    clearTimeout(this.retry);
    const waitMs = Math.max(0, beganAtMs + timeoutMs - this.clock.monotonicMs());
    this.retry = setTimeout(() => void this.refresh(), waitMs);
    this.retry.unref();
  }

  private async firstVerdict(): Promise<Verdict> {
    this.start();
    try {
      await withDeadline(this.running ?? this.refresh(), this.settings.timeoutMs);
    } catch {
      // There is no verdict yet, which the overlay reports.
    }
    return this.overlaid();
  }

  private overlaid(): Verdict {
    const of = this.judgement?.verdict;
    const code = this.overlayCode();
    if (of && !code) return of;
    // Kept, so that the same answer stays the same object.
    if (!this.overlay || this.overlay.of !== of || this.overlay.verdict.code !== code) {
      this.overlay = {
        of,
        verdict: { checks: {}, ...of, status: 'not_ready', ...(code && { code, hint: hintOf(code) }) },
      };
    }
    return this.overlay.verdict;
  }

  private overlayCode(): Verdict['code'] {
    if (this.draining) return 'SHUTTING_DOWN';
    if (!this.latest) return 'EVALUATION_PENDING';
    const age = this.clock.monotonicMs() - this.evaluatedAtMs;
    return age > this.settings.refreshMs * STALE_PERIODS ? 'EVALUATION_STALE' : undefined;
  }

  private logChange({ status, checks }: Verdict): void {
    const isFirstMiss = this.misses === 1 && this.latest?.standIn !== undefined;
    if (this.logged === status && !isFirstMiss) return;
    this.logged = status;
    const found = Object.entries(checks).filter(([, { ok, code }]) => !ok || code !== undefined);
    const why = found.map(([name, { details }]) => `${name}: ${details}`).join(' | ');
    if (status === 'not_ready') this.logger.warn(`not ready: ${why}`);
    else if (isFirstMiss) this.logger.warn(`still ready, by the last known results: ${why}`);
    else this.logger.log('ready');
  }
}
