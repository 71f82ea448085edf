import { formatBytes } from '../core/text.js';

const DAY_MS = 86_400_000;

/** What will break if nothing changes. */
export interface Forecast {
  readonly what: 'disk' | 'ids' | 'certificate' | 'password' | 'restore-test' | 'support';
  /** What it concerns: a key, a role, a server; empty if it is the database. */
  readonly subject: string;
  /** ISO 8601; null if that is not in sight, or not known. */
  readonly breaksAt: string | null;
  /** The earliest and the latest date of an estimate; null for a date that is known. */
  readonly range: { readonly earliest: string; readonly latest: string | null } | null;
  readonly text: string;
}

/** A value of one day. */
export interface DayValue {
  /** Days since 1970; the value may be of any time of the day. */
  readonly day: number;
  readonly value: number;
}

/** How much a value grows in a day: the median of the slopes between all pairs of days, and its quartiles. */
export interface Trend {
  readonly perDay: number;
  readonly lower: number;
  readonly upper: number;
}

/** A trend of fewer days is none: a bulk load would look like one. */
const FEWEST_DAYS = 3;

/**
 * Returns the trend of a value by Theil and Sen, which one bulk load, or one cleanup, does not change; undefined if fewer
 * than three days are known. Pure.
 */
export function trendOf(values: readonly DayValue[]): Trend | undefined {
  if (values.length < FEWEST_DAYS) return undefined;
  const slopes = values
    .flatMap((left, index) =>
      values.slice(index + 1).map((right) => (right.value - left.value) / (right.day - left.day)),
    )
    .filter((slope) => Number.isFinite(slope))
    .toSorted((left, right) => left - right);
  if (slopes.length === 0) return undefined;
  return { perDay: quantile(slopes, 0.5), lower: quantile(slopes, 0.25), upper: quantile(slopes, 0.75) };
}

function quantile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = sorted[Math.floor(position)] ?? 0;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}

/** What a limit is forecast from. */
export interface Growth {
  /** One value a day. */
  readonly days: readonly DayValue[];
  readonly current: number;
  readonly limit: number;
  readonly now: Date;
}

/** When a growing value reaches its limit. */
interface Reached {
  readonly trend: Trend;
  readonly at: Date;
  readonly earliest: Date;
  /** Null if that is not in sight. */
  readonly latest: Date | null;
}

/** Nothing that is further away than this is in sight. */
const SIGHT_DAYS = 3650;

/** Returns when a value reaches its limit by its trend. Pure. */
function reach({ days, current, limit, now }: Growth): Reached | 'not in sight' | 'not known yet' {
  const trend = trendOf(days);
  if (!trend) return 'not known yet';
  const at = dateAfter(now, (limit - current) / trend.perDay);
  if (at === null) return 'not in sight';
  const earliest = dateAfter(now, (limit - current) / trend.upper) ?? at;
  return { trend, at, earliest, latest: dateAfter(now, (limit - current) / trend.lower) };
}

function dateAfter(now: Date, days: number): Date | null {
  return days >= 0 && days <= SIGHT_DAYS ? new Date(now.getTime() + days * DAY_MS) : null;
}

/** Returns when the disk is full. @param limit in bytes; null if it is not known */
export function diskForecast(growth: Omit<Growth, 'limit'> & { readonly limit: number | null }): Forecast {
  const { limit, now } = growth;
  if (limit === null) {
    return unknown('disk', '', 'How large the database may become is not known: set DB_STORAGE_LIMIT.');
  }
  const reached = reach({ ...growth, limit });
  if (reached === 'not known yet') {
    return unknown('disk', '', 'The growth of the database is known after three days.');
  }
  if (reached === 'not in sight') {
    return unknown('disk', '', `${formatBytes(limit)} are not in sight: the database does not grow.`);
  }
  return {
    ...estimate('disk', '', reached),
    text: `${formatBytes(limit)} are reached ${daysText(reached, now)}, at ${formatBytes(Math.round(reached.trend.perDay))} a day.`,
  };
}

/** Returns when the fullest integer key has no numbers left. @param key its name, and which share of them it has used */
export function idsForecast(
  key: { readonly name: string; readonly share: number },
  growth: Pick<Growth, 'days' | 'now'>,
): Forecast {
  const reached = reach({ ...growth, current: key.share, limit: 1 });
  const percent = Math.floor(key.share * 100);
  if (typeof reached === 'string') {
    const why =
      reached === 'not in sight' ? 'its end is not in sight' : 'its growth is known after three days';
    return unknown('ids', key.name, `${key.name} has used ${percent} % of its numbers; ${why}.`);
  }
  return {
    ...estimate('ids', key.name, reached),
    text: `${key.name} has used ${percent} % of its numbers, and all of them ${daysText(reached, growth.now)}.`,
  };
}

/** Returns a forecast whose date is known. */
export function datedForecast(
  what: Forecast['what'],
  subject: string,
  { at, text }: { readonly at: Date; readonly text: string },
): Forecast {
  return { what, subject, breaksAt: at.toISOString(), range: null, text };
}

function unknown(what: Forecast['what'], subject: string, text: string): Forecast {
  return { what, subject, breaksAt: null, range: null, text };
}

function estimate(
  what: Forecast['what'],
  subject: string,
  { at, earliest, latest }: Reached,
): Omit<Forecast, 'text'> {
  return {
    what,
    subject,
    breaksAt: at.toISOString(),
    range: { earliest: earliest.toISOString(), latest: latest?.toISOString() ?? null },
  };
}

/** Returns `in about 41 days (33 to 60)`. */
function daysText({ at, earliest, latest }: Reached, now: Date): string {
  const days = (date: Date): number => Math.round((date.getTime() - now.getTime()) / DAY_MS);
  const range = latest === null ? `${days(earliest)} or more` : `${days(earliest)} to ${days(latest)}`;
  const unit = days(at) === 1 ? 'day' : 'days';
  return days(earliest) === (latest && days(latest))
    ? `in about ${days(at)} ${unit}`
    : `in about ${days(at)} ${unit} (${range})`;
}

/** Returns the days from now until a forecast; undefined if it has no date. */
export function daysUntil({ breaksAt }: Pick<Forecast, 'breaksAt'>, now: Date): number | undefined {
  return breaksAt === null ? undefined : (new Date(breaksAt).getTime() - now.getTime()) / DAY_MS;
}

/** The day of the last release of each major version, by PostgreSQL's versioning policy. */
const LAST_RELEASES: Readonly<Record<number, string>> = {
  13: '2025-11-13',
  14: '2026-11-12',
  15: '2027-11-11',
  16: '2028-11-09',
  17: '2029-11-08',
  18: '2030-11-14',
};

/** Returns when the server gets no fixes any more; undefined for a version that this list does not have. Pure. */
export function supportForecast(versionNumber: number): Forecast | undefined {
  const major = Math.floor(versionNumber / 10_000);
  const date = LAST_RELEASES[major];
  if (date === undefined) return undefined;
  const at = new Date(`${date}T00:00:00Z`);
  return datedForecast('support', `PostgreSQL ${major}`, {
    at,
    text: `PostgreSQL ${major} gets no fixes after ${date}.`,
  });
}
