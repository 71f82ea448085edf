/** How far back the charts go. */
export interface Range {
  /** As the address has it: `?range=24h`. */
  readonly name: string;
  readonly hours: number;
  readonly text: string;
  /** The distance of the labels of the time axis, in hours. */
  readonly tickHours: number;
}

const HOUR: Range = { name: '1h', hours: 1, text: 'last hour', tickHours: 0.25 };
const DAY: Range = { name: '24h', hours: 24, text: 'last 24 hours', tickHours: 6 };

export const RANGES: readonly Range[] = [
  HOUR,
  DAY,
  { name: '7d', hours: 168, text: 'last 7 days', tickHours: 24 },
  { name: '30d', hours: 720, text: 'last 30 days', tickHours: 168 },
];

/** The range of an address that names none, and what stands in for it while the history is young. */
export const DEFAULT_RANGE = DAY;
export const YOUNG_RANGE = HOUR;

/** Returns the range that an address names; undefined if it names none. */
export function rangeOf(name: unknown): Range | undefined {
  return RANGES.find((range) => range.name === name);
}

const STEPS = [1, 2, 4, 5, 6, 8, 10];

/** Returns the top of a scale from 0 on, a number whose half is also easy to read. */
export function niceTop(highest: number, base: 1000 | 1024): number {
  if (!(highest > 0)) return 1;
  const unit = base ** Math.max(0, Math.floor(Math.log(highest) / Math.log(base)));
  const inUnit = highest / unit;
  const power = 10 ** Math.floor(Math.log10(inUnit));
  const step = STEPS.find((candidate) => candidate * power >= inUnit - 1e-9) ?? 10;
  return step * power * unit;
}

/** Returns the times of the labels below a chart: full hours, days or weeks before its right edge. */
export function tickTimes(to: number, { hours, tickHours }: Range): number[] {
  const step = tickHours * 3_600_000;
  const first = Math.ceil((to - hours * 3_600_000) / step) * step;
  const times: number[] = [];
  for (let at = first; at <= to; at += step) times.push(at);
  return times;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Returns a label of the time axis: a time of day, or a date. */
export function timeLabel(at: number, { hours }: Range): string {
  return hours <= 24 ? new Date(at).toISOString().slice(11, 16) : dateLabel(at);
}

/** Returns the time of one point of a chart. */
export function momentLabel(at: number, { hours }: Range): string {
  const time = new Date(at).toISOString().slice(11, 16);
  return hours <= 24 ? `${time} UTC` : `${dateLabel(at)} ${time} UTC`;
}

function dateLabel(at: number): string {
  const date = new Date(at);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()] ?? ''}`;
}
