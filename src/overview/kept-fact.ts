import type { Clock } from '../core/clock.js';
import { messageOf } from '../core/errors.js';
import { withDeadline } from '../postgres/deadline.js';
import type { Fact } from './overview.types.js';

/** A fact that takes longer than this to read counts as not readable. */
const DEADLINE_MS = 30_000;
/** The pause is at least this many times as long as the reading took: a view of the page must not be a load. */
const PAUSE_FACTOR = 50;

/** Reads one fact at most once in a period, and keeps its last value when reading it again fails. */
export class KeptFact<T> {
  private fact: Fact<T> = { value: null, readAt: null, fault: null };
  private notBeforeMs = -Infinity;
  private reading: Promise<void> | undefined;

  constructor(
    private readonly read: () => Promise<T>,
    private readonly clock: Clock,
    private readonly periodMs: number,
  ) {}

  /** What is known, from memory. */
  get latest(): Fact<T> {
    return this.fact;
  }

  /** Reads the fact where its period is over, or waits for the reading that is under way. Never throws. */
  async refresh(): Promise<void> {
    if (this.reading === undefined && this.clock.monotonicMs() < this.notBeforeMs) return;
    this.reading ??= this.readOnce().finally(() => {
      this.reading = undefined;
    });
    await this.reading;
  }

  /** Makes the next refresh read the fact, although its period is not over: something has changed it. */
  expire(): void {
    this.notBeforeMs = -Infinity;
  }

  private async readOnce(): Promise<void> {
    const beganMs = this.clock.monotonicMs();
    this.notBeforeMs = Infinity;
    try {
      const value = await withDeadline(this.read(), DEADLINE_MS);
      this.fact = { value, readAt: this.clock.now().toISOString(), fault: null };
    } catch (error) {
      this.fact = { ...this.fact, fault: messageOf(error) };
    }
    const endedMs = this.clock.monotonicMs();
    this.notBeforeMs = endedMs + Math.max(this.periodMs, PAUSE_FACTOR * (endedMs - beganMs));
  }
}
