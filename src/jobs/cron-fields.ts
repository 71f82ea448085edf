import { CronTime } from 'cron';

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
export class CronFields {
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
