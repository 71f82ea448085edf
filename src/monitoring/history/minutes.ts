import { type HistoryValues, type HistoryVital, type SummarizedValues, summarize } from './history-vitals.js';
import { type SeriesRequest, type SeriesValue } from './series.js';

/** A minute that is complete. */
export interface Minute {
  /** When it began, in seconds since 1970. */
  readonly at: number;
  readonly values: SummarizedValues;
}

/** As many as the rows of a minute that are stored. */
const MOST = 48 * 60;

/** Collects samples by the minute, and remembers the minutes of the last two days. */
export class Minutes {
  private current: { readonly at: number; readonly samples: HistoryValues[] } | undefined;
  private readonly complete: Minute[] = [];

  /** Adds a sample. Returns the minute before, where this sample begins another one. */
  add(values: HistoryValues, now: Date): Minute | undefined {
    const at = Math.floor(now.getTime() / 60_000) * 60;
    if (this.current?.at === at) {
      this.current.samples.push(values);
      return undefined;
    }
    const before = this.current && { at: this.current.at, values: summarize(this.current.samples) };
    this.current = { at, samples: [values] };
    if (!before) return undefined;
    this.complete.push(before);
    if (this.complete.length > MOST) this.complete.shift();
    return before;
  }

  /** Returns the average of a number over the last minutes; undefined if it is not known for most of them. */
  recentAverage(name: HistoryVital, minutes: number): number | undefined {
    const recent = this.complete
      .slice(-minutes)
      .flatMap(({ values: { [name]: value } }) => (value ? [value.average] : []));
    if (recent.length < minutes / 2) return undefined;
    return recent.reduce((sum, value) => sum + value, 0) / recent.length;
  }

  /** Returns values of the points of `step` minutes. */
  values({ vitals, hours }: SeriesRequest, step: number, now: Date): SeriesValue[] {
    const stepS = step * 60;
    const from = now.getTime() / 1000 - hours * 3600;
    const running = this.current && { at: this.current.at, values: summarize(this.current.samples) };
    const points = new Map<string, { at: number; name: string; sum: number; count: number; max: number }>();
    for (const minute of [...this.complete, ...(running ? [running] : [])]) {
      if (minute.at <= from) continue;
      const at = Math.floor(minute.at / stepS) * stepS;
      for (const name of vitals) {
        const value = minute.values[name];
        if (!value) continue;
        const point = points.get(`${at} ${name}`) ?? { at, name, sum: 0, count: 0, max: -Infinity };
        const max = Math.max(point.max, value.max);
        points.set(`${at} ${name}`, {
          ...point,
          sum: point.sum + value.average,
          count: point.count + 1,
          max,
        });
      }
    }
    return [...points.values()].map(({ at, name, sum, count, max }) => ({
      at,
      name,
      average: sum / count,
      max,
    }));
  }
}
