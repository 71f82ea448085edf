import { Injectable } from '@nestjs/common';
import { Clock } from '../core/clock.js';

const MINUTE_MS = 60_000;
/** Counts are kept for this many minutes. */
const MINUTES = 60;

/** Counts the failed attempts to sign in, or to use an admin route, of this process. Holds no address and no name. */
@Injectable()
export class FailedLogins {
  /** All since the start. */
  private count = 0;
  /** The attempts of each minute, by the number of the minute. */
  private readonly byMinute = new Map<number, number>();

  constructor(private readonly clock: Clock) {}

  /** Returns the number since the start of this process: a counter for metrics. */
  get total(): number {
    return this.count;
  }

  /** Counts one. */
  record(): void {
    const minute = this.minute();
    this.count += 1;
    this.byMinute.set(minute, (this.byMinute.get(minute) ?? 0) + 1);
    for (const old of this.byMinute.keys()) if (old <= minute - MINUTES) this.byMinute.delete(old);
  }

  /** Returns the number in the last minutes, at most 60, the current one included. */
  within(minutes: number): number {
    const first = this.minute() - minutes;
    return [...this.byMinute].reduce((sum, [minute, count]) => (minute > first ? sum + count : sum), 0);
  }

  /** Unlike the time of day, this one does not jump. */
  private minute(): number {
    return Math.floor(this.clock.monotonicMs() / MINUTE_MS);
  }
}
