const DAY_MS = 86_400_000;

/** The periods a moment belongs to, as names that sort by time. */
export interface Periods {
  /** `2026-02-07` */
  readonly day: string;
  /** ISO 8601: `2026-W06` */
  readonly week: string;
  /** `2026-02` */
  readonly month: string;
}

/** Tells periods in one time zone. Making the formatter is the slow part, hence a function that is kept. */
export function calendarOf(timeZone: string): (moment: Date) => Periods {
  // Sweden writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (moment) => {
    const day = format.format(moment);
    return { day, week: isoWeek(day), month: day.slice(0, 7) };
  };
}

/** The week belongs to the year that holds its Thursday (ISO 8601). */
function isoWeek(day: string): string {
  const midnight = new Date(`${day}T00:00:00Z`);
  const weekday = midnight.getUTCDay() || 7;
  const thursday = new Date(midnight.getTime() + (4 - weekday) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS));
  return `${year}-W${String(week).padStart(2, '0')}`;
}
