import { CronFields } from './cron-fields.js';

const HOUR_MS = 3_600_000;
/** No clock was ever put back by more. */
const LONGEST_REPEAT_MS = 4 * HOUR_MS;
/** Shifts lie further apart than that. */
const NEIGHBOURHOOD_MS = 24 * HOUR_MS;

/**
 * When a job is due, by a cron expression of five or six fields in one time zone. Pure. Each time of day comes once
 * a day: one that a clock put forward skips is due at the shift, and one that a clock put back shows twice is due
 * at the first. An expression for every hour is due by elapsed time instead, in the repeated hour too. (`cron`
 * parses the expression; its own search, at which `0 2 * * *` comes twice when New York's clocks go back, is not used.)
 */
export class DueTimes {
  private readonly fields: CronFields;
  private readonly format: Intl.DateTimeFormat;

  /** @throws the parser's error. */
  constructor(expression: string, timeZone: string) {
    this.fields = new CronFields(expression);
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /** The latest due time that has come; undefined where there is none within eight years. */
  latest(now: Date): Date | undefined {
    const { wall, toInstant } = this.clockAt(now.getTime());
    return toDate(this.fields.latest(wall), toInstant);
  }

  /** The first due time that has not come. */
  next(now: Date): Date | undefined {
    const { wall, toInstant } = this.clockAt(now.getTime());
    return toDate(this.fields.next(wall), toInstant);
  }

  /**
   * How long one run stands for: the longer of the two gaps around the latest due time, in ms. On a Monday at 02:01 a
   * job of the working days has last run on Friday.
   */
  period(now: Date): number | undefined {
    const latest = this.latest(now);
    const next = this.next(now);
    if (!latest || !next) return undefined;
    const before = this.latest(new Date(latest.getTime() - 1)) ?? latest;
    return Math.max(next.getTime() - latest.getTime(), latest.getTime() - before.getTime());
  }

  /** How far the clocks on the walls have come, and when they show something. */
  private clockAt(now: number): { wall: number; toInstant: (wall: number) => number } {
    const offset = this.offsetAt(now);
    if (this.fields.isEveryHour) return { wall: now + offset, toInstant: (wall) => wall - offset };
    return { wall: this.furthestWall(now, offset), toInstant: (wall) => this.instantOf(wall) };
  }

  /** What the clocks show, or, while they repeat an hour, the end of what they have shown. */
  private furthestWall(now: number, offset: number): number {
    const offsetBefore = this.offsetAt(now - LONGEST_REPEAT_MS);
    if (offsetBefore <= offset) return now + offset;
    const shift = this.shiftWithin(now - LONGEST_REPEAT_MS, now);
    return Math.max(now + offset, shift + offsetBefore - 1);
  }

  /** The first moment at which the clocks show this, or, where they never do, at which they have passed it. */
  private instantOf(wall: number): number {
    const before = wall - this.offsetAt(wall - NEIGHBOURHOOD_MS);
    const after = wall - this.offsetAt(wall + NEIGHBOURHOOD_MS);
    const shown = [before, after].filter((instant) => instant + this.offsetAt(instant) === wall);
    return shown.length > 0 ? Math.min(...shown) : this.shiftWithin(after, before);
  }

  /** The first moment of the other offset, where there is one shift between two moments. */
  private shiftWithin(from: number, to: number): number {
    const offset = this.offsetAt(to);
    let [before, after] = [from, to];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (this.offsetAt(middle) === offset) after = middle;
      else before = middle;
    }
    return after;
  }

  /** What the clocks show less what UTC is, in ms. */
  private offsetAt(instant: number): number {
    const part: Record<string, number> = {};
    for (const { type, value } of this.format.formatToParts(instant)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instant / 1000) * 1000;
  }
}

function toDate(wall: number | undefined, toInstant: (wall: number) => number): Date | undefined {
  return wall === undefined ? undefined : new Date(toInstant(wall));
}
