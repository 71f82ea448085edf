import type { AverageAndMax, HistoryVital } from './history-vitals.js';

/** Which numbers of how many hours. */
export interface SeriesRequest {
  readonly vitals: readonly HistoryVital[];
  readonly hours: number;
}

/** One point of a series: null where nothing was measured. */
export interface SeriesPoint {
  /** When it begins. ISO 8601. */
  readonly at: string;
  readonly values: Readonly<Record<string, AverageAndMax | null>>;
}

/** What was measured, in points of the same length, the oldest first. A gap is there as points without values. */
export interface Series {
  /** The length of a point, in minutes. */
  readonly step: number;
  readonly points: readonly SeriesPoint[];
}

/** How a request is read: in points of `step` minutes, from rows of `source` minutes. */
export interface SeriesPlan {
  readonly step: number;
  readonly source: number;
}

/** At most about 300 points: more than a chart shows. */
const PLANS: readonly (SeriesPlan & { readonly hours: number })[] = [
  { hours: 4, step: 1, source: 1 },
  { hours: 24, step: 5, source: 1 },
  { hours: 48, step: 15, source: 1 },
  { hours: 7 * 24, step: 60, source: 15 },
  { hours: 35 * 24, step: 360, source: 15 },
  { hours: 300 * 24, step: 1440, source: 360 },
];
const LONGEST: SeriesPlan = { step: 10_080, source: 360 };

/** Returns how a request is read. A point is not shorter than the time between two samples. Pure. */
export function planSeries(hours: number, intervalMs: number): SeriesPlan {
  const { step, source } = PLANS.find((plan) => hours <= plan.hours) ?? LONGEST;
  return { step: Math.max(step, Math.ceil(intervalMs / 60_000)), source };
}

/** A value of one number at one time. */
export interface SeriesValue extends AverageAndMax {
  /** When its point begins, in seconds since 1970. */
  readonly at: number;
  readonly name: string;
}

/** Makes points of values, one after the other without a gap in time. Pure. */
export function toSeries(
  { vitals, hours }: SeriesRequest,
  step: number,
  values: readonly SeriesValue[],
  now: Date,
): Series {
  const stepS = step * 60;
  const known = new Map(values.map(({ at, name, average, max }) => [`${at} ${name}`, { average, max }]));
  const last = Math.floor(now.getTime() / 1000 / stepS) * stepS;
  const points: SeriesPoint[] = [];
  for (let at = last - Math.ceil((hours * 3600) / stepS) * stepS + stepS; at <= last; at += stepS) {
    points.push({
      at: new Date(at * 1000).toISOString(),
      values: Object.fromEntries(vitals.map((name) => [name, known.get(`${at} ${name}`) ?? null])),
    });
  }
  return { step, points };
}
