/** The only reader of the system's clock. Everything else takes `now` as a parameter. */
export abstract class Clock {
  abstract now(): Date;

  /**
   * Returns the time in ms since some fixed moment, for ages that only count from now: unlike `now()` it does not jump
   * when the machine's time is set.
   */
  monotonicMs(): number {
    return performance.now();
  }
}

/** The machine's own time. */
export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}
