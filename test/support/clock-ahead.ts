import { SystemClock } from '../../src/core/clock.js';

/** The machine's clock, which a test sets ahead. */
export class ClockAhead extends SystemClock {
  aheadMs = 0;

  override now(): Date {
    return new Date(super.now().getTime() + this.aheadMs);
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.aheadMs;
  }
}
