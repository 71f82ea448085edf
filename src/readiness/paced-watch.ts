import type { BeforeApplicationShutdown } from '@nestjs/common';
import { withDeadline } from '../postgres/deadline.js';

/** The pause is at least this many times as long as the reading took, so that it takes at most 1 % of the time. */
const PAUSE_FACTOR = 100;
const STOP_MS = 1000;

/** Reads something apart from the evaluations, at its own slow pace: it delays no verdict. */
export abstract class PacedWatch implements BeforeApplicationShutdown {
  private asking: Promise<void> | undefined;
  private dueAt: number | undefined;
  private isStopping = false;

  /** @param firstMs how long the first reading waits, in ms: the first verdicts come before it */
  protected constructor(private readonly firstMs: number) {}

  /** Reads now, or waits for the reading that is under way. Never throws. */
  async refresh(): Promise<void> {
    if (this.isStopping) return;
    this.asking ??= this.readAndPace().finally(() => {
      this.asking = undefined;
    });
    await this.asking;
  }

  /** Waits for a reading that is under way: it may still use the database, which closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    if (this.asking) await withDeadline(this.asking, STOP_MS).catch(() => undefined);
  }

  /** Reads again in the background when what is known is old. */
  protected refreshIfDue(): void {
    const now = performance.now();
    this.dueAt ??= now + this.firstMs;
    if (now >= this.dueAt) void this.refresh();
  }

  /** Reads once, and keeps what it learned. Never throws. @returns the pause until the next reading, in ms */
  protected abstract read(): Promise<number>;

  private async readAndPace(): Promise<void> {
    const startedAt = performance.now();
    const pauseMs = await this.read();
    const endedAt = performance.now();
    this.dueAt = endedAt + Math.max(pauseMs, (endedAt - startedAt) * PAUSE_FACTOR);
  }
}
