import { CronTime } from 'cron';

const HOUR_MS = 3_600_000;
/** No time zone ever set its clocks back by more. */
const LONGEST_REPEAT_MS = 4 * HOUR_MS;
/** Two shifts of one time zone are further apart than this. */
const NEIGHBOURHOOD_MS = 24 * HOUR_MS;

/**
 * Computes when a job is due, by a cron expression of five or six fields in one time zone. Pure. Each time of day comes
 * once a day: a time that is skipped when clocks go forward is due at the shift, and a time that is shown twice when
 * clocks go back is due the first time. An expression for every hour follows elapsed time instead, in the repeated hour
 * too. (`cron` parses the expression. Its own search is not used: with it `0 2 * * *` comes twice when clocks in New York
 * go back.)
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

  /** Returns the latest due time that has come; undefined where there is none within eight years. */
  latest(now: Date): Date | undefined {
    const { wall, toInstant } = this.clockAt(now.getTime());
    return toDate(this.fields.latest(wall), toInstant);
  }

  /** Returns the first due time that has not come. */
  next(now: Date): Date | undefined {
    const { wall, toInstant } = this.clockAt(now.getTime());
    return toDate(this.fields.next(wall), toInstant);
  }

  /**
   * Returns the time between two runs, in ms: the longer of the two gaps around the latest due time. On a Monday at 02:01
   * a job of the working days last ran on Friday.
   */
  period(now: Date): number | undefined {
    const latest = this.latest(now);
    const next = this.next(now);
    if (!latest || !next) return undefined;
    const before = this.latest(new Date(latest.getTime() - 1)) ?? latest;
    return Math.max(next.getTime() - latest.getTime(), latest.getTime() - before.getTime());
  }

  /** Returns the latest local time shown so far, and a function from a local time to its instant. */
  private clockAt(now: number): { wall: number; toInstant: (wall: number) => number } {
    const offset = this.offsetAt(now);
    if (this.fields.isEveryHour) return { wall: now + offset, toInstant: (wall) => wall - offset };
    return { wall: this.furthestWall(now, offset), toInstant: (wall) => this.instantOf(wall) };
  }

  /** Returns the local time, or, while an hour repeats, the end of what was shown before. */
  private furthestWall(now: number, offset: number): number {
    const offsetBefore = this.offsetAt(now - LONGEST_REPEAT_MS);
    if (offsetBefore <= offset) return now + offset;
    const shift = this.shiftWithin(now - LONGEST_REPEAT_MS, now);
    return Math.max(now + offset, shift + offsetBefore - 1);
  }

  /** Returns the first moment with this local time; where it is skipped, the moment of the shift. */
  private instantOf(wall: number): number {
    const before = wall - this.offsetAt(wall - NEIGHBOURHOOD_MS);
    const after = wall - this.offsetAt(wall + NEIGHBOURHOOD_MS);
    const shown = [before, after].filter((instant) => instant + this.offsetAt(instant) === wall);
    return shown.length > 0 ? Math.min(...shown) : this.shiftWithin(after, before);
  }

  /** Returns the moment of the one shift between two moments. */
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

  /** Returns local time minus UTC, in ms. */
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

const DAY_MS = 86_400_000;

/** A leap day is at most eight years after the one before. */
const LONGEST_SEARCH_DAYS = 8 * 366;

/** What a cron expression matches, as sorted numbers; Sunday is 0. */
interface Fields {
  readonly seconds: readonly number[];
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number> | 'any';
  readonly months: ReadonlySet<number> | 'any';
  readonly weekdays: ReadonlySet<number> | 'any';
}

/**
 * Finds the matches of a cron expression in local time: a "wall" time is what a clock on the wall shows, as the
 * milliseconds that Date.UTC() returns for it. `cron` parses the expression.
 */
class CronFields {
  private readonly fields: Fields;
  /** Times of day that match, ascending, in ms since midnight. */
  private readonly timesOfDay: readonly number[];

  /** @throws the parser's error. */
  constructor(expression: string) {
    const parsed = new CronTime(expression, 'UTC');
    this.fields = {
      seconds: numbersOf(parsed, 'second'),
      minutes: numbersOf(parsed, 'minute'),
      hours: numbersOf(parsed, 'hour'),
      days: restrictionOf(parsed, 'dayOfMonth', 31),
      months: restrictionOf(parsed, 'month', 12),
      weekdays: restrictionOf(parsed, 'dayOfWeek', 7),
    };
    this.timesOfDay = this.fields.hours.flatMap((hour) =>
      this.fields.minutes.flatMap((minute) =>
        this.fields.seconds.map((second) => ((hour * 60 + minute) * 60 + second) * 1000),
      ),
    );
  }

  /** Returns whether every hour of a day matches. */
  get isEveryHour(): boolean {
    return this.fields.hours.length === 24;
  }

  /** Returns the latest match that is not after `wall`; undefined where there is none within eight years. */
  latest(wall: number): number | undefined {
    return this.search(wall, -1, (time, midnight) => midnight + time <= wall);
  }

  /** Returns the first match after `wall`. */
  next(wall: number): number | undefined {
    return this.search(wall, 1, (time, midnight) => midnight + time > wall);
  }

  private search(
    wall: number,
    direction: 1 | -1,
    accepts: (time: number, midnight: number) => boolean,
  ): number | undefined {
    const today = Math.floor(wall / DAY_MS) * DAY_MS;
    for (let days = 0; days <= LONGEST_SEARCH_DAYS; days += 1) {
      const midnight = today + direction * days * DAY_MS;
      if (!this.matchesDay(new Date(midnight))) continue;
      const isAccepted = (time: number): boolean => accepts(time, midnight);
      const time = direction === 1 ? this.timesOfDay.find(isAccepted) : this.timesOfDay.findLast(isAccepted);
      if (time !== undefined) return midnight + time;
    }
    return undefined;
  }

  /** Returns whether a day matches. As in every cron, where both day and weekday are restricted, one of them is enough. */
  private matchesDay(day: Date): boolean {
    const { days, months, weekdays } = this.fields;
    if (!includes(months, day.getUTCMonth() + 1)) return false;
    const isDay = includes(days, day.getUTCDate());
    const isWeekday = includes(weekdays, day.getUTCDay());
    return days !== 'any' && weekdays !== 'any' ? isDay || isWeekday : isDay && isWeekday;
  }
}

type Field = 'second' | 'minute' | 'hour' | 'dayOfMonth' | 'month' | 'dayOfWeek';

function restrictionOf(parsed: CronTime, field: Field, count: number): ReadonlySet<number> | 'any' {
  const numbers = numbersOf(parsed, field);
  return numbers.length === count ? 'any' : new Set(numbers);
}

/** Reads the parser's own fields: its printed form confuses `0-5` with every weekday. */
function numbersOf(parsed: CronTime, field: Field): number[] {
  const numbers: unknown = Reflect.get(parsed, field);
  if (typeof numbers !== 'object' || numbers === null) throw new TypeError(`cron has no field ${field}`);
  return Object.keys(numbers)
    .map(Number)
    .toSorted((left, right) => left - right);
}

function includes(set: ReadonlySet<number> | 'any', value: number): boolean {
  return set === 'any' || set.has(value);
}
