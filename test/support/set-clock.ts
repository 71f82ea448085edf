import { Clock } from '../../src/core/clock.js';

/** A clock that shows the time of the test. */
export class SetClock extends Clock {
  constructor(private readonly current: Date) {
    super();
  }

  now(): Date {
    return this.current;
  }
}
