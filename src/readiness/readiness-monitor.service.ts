import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import type { HealthCheckResult } from '@nestjs/terminus';
import { Clock } from '../clock/clock.js';
import type { ReadinessSettings, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { withDeadline } from '../database/connect.js';
import { messageOf } from '../errors.js';
import { ReadinessService } from './readiness.service.js';
import type { Evaluation, Verdict } from './readiness.types.js';

/** A verdict this many periods old is no longer believed. */
const STALE_PERIODS = 3;
/** Kubernetes waits 30 s for a pod to end, and this must leave room for what else ends. */
const LONGEST_DRAIN_MS = 10_000;

/**
 * Keeps the latest verdict fresh in the background, so that answering a probe reads memory only. Begins with
 * the first question or {@link start}; importing it alone does nothing.
 */
@Injectable()
export class ReadinessMonitor implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Readiness');
  private readonly settings: ReadinessSettings;
  private latest: Evaluation | undefined;
  private evaluatedAtMs = 0;
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private draining = false;
  private overlay: { readonly of: Verdict | undefined; readonly verdict: Verdict } | undefined;

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly clock: Clock,
    private readonly readiness: ReadinessService,
  ) {
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

  /** Evaluates once more, unless an evaluation is under way: then waits for that one. */
  refresh(): Promise<void> {
    this.running ??= this.evaluate().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  /**
   * The verdict, from memory. Only before the first evaluation has ended does it wait for it, at most
   * `READINESS_TIMEOUT_MS`. The same object as long as nothing changed.
   */
  verdict(): Verdict | Promise<Verdict> {
    return this.latest ? this.overlaid() : this.firstVerdict();
  }

  /** The same verdict in Terminus' shape. */
  async health(): Promise<HealthCheckResult> {
    const { status, code } = await this.verdict();
    const health = this.latest?.health ?? { status: 'error', info: {}, error: {}, details: {} };
    if (code === 'SHUTTING_DOWN') return { ...health, status: 'shutting_down' };
    return status === 'not_ready' ? { ...health, status: 'error' } : health;
  }

  /**
   * Says "not ready" from now on. After SIGTERM the doors stay open for one more period (10 s at most), so that whoever
   * probes can see it and stop sending; Ctrl-C does not wait.
   */
  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.draining = true;
    const wasServing = this.timer !== undefined;
    clearInterval(this.timer);
    if (signal === 'SIGTERM' && wasServing) await sleep(Math.min(this.settings.refreshMs, LONGEST_DRAIN_MS));
    await this.running;
  }

  private async evaluate(): Promise<void> {
    const before = this.latest?.verdict;
    try {
      this.latest = await this.readiness.evaluate();
      this.evaluatedAtMs = this.clock.now().getTime();
      this.logChange(before, this.latest.verdict);
    } catch (error) {
      // The old verdict stands and grows stale, which /ready tells.
      this.logger.error(`The evaluation failed: ${messageOf(error)}`);
    }
  }

  private async firstVerdict(): Promise<Verdict> {
    this.start();
    try {
      await withDeadline(this.running ?? this.refresh(), this.settings.timeoutMs);
    } catch {
      // Told below: there is no verdict yet.
    }
    return this.overlaid();
  }

  private overlaid(): Verdict {
    const of = this.latest?.verdict;
    const code = this.overlayCode();
    if (of && !code) return of;
    // Kept, so that the same answer stays the same object.
    if (!this.overlay || this.overlay.of !== of || this.overlay.verdict.code !== code) {
      this.overlay = { of, verdict: { checks: {}, ...of, status: 'not_ready', ...(code && { code }) } };
    }
    return this.overlay.verdict;
  }

  private overlayCode(): Verdict['code'] {
    if (this.draining) return 'SHUTTING_DOWN';
    if (!this.latest) return 'EVALUATION_PENDING';
    const age = this.clock.now().getTime() - this.evaluatedAtMs;
    return age > this.settings.refreshMs * STALE_PERIODS ? 'EVALUATION_STALE' : undefined;
  }

  private logChange(before: Verdict | undefined, after: Verdict): void {
    if (before?.status === after.status) return;
    const failing = Object.entries(after.checks).filter(([, view]) => !view.ok);
    const why = failing.map(([name, view]) => `${name}: ${view.details}`).join(' | ');
    if (after.status === 'ready') this.logger.log('ready');
    else this.logger.warn(`not ready: ${why}`);
  }
}
