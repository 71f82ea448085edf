import { describe, expect, it } from '@jest/globals';
import { DueTimes } from '../../src/jobs/due-times.js';

/** Every due time between two moments, found forwards and backwards. */
function dueWithin(expression: string, timeZone: string, from: string, to: string): string[] {
  const times = new DueTimes(expression, timeZone);
  const found: string[] = [];
  for (let at = times.next(new Date(from)); at && at <= new Date(to); at = times.next(at)) {
    found.push(at.toISOString());
  }
  const back: string[] = [];
  for (
    let at = times.latest(new Date(to));
    at && at > new Date(from);
    at = times.latest(new Date(at.getTime() - 1))
  ) {
    back.unshift(at.toISOString());
  }
  expect(back).toEqual(found);
  return found.map((text) => text.replace(/:00\.000Z$/, 'Z'));
}

describe('due times', () => {
  it.each([
    [
      'the default, in UTC',
      '0 2 * * *',
      'UTC',
      ['2026-03-28', '2026-03-30'],
      ['2026-03-28T02:00Z', '2026-03-29T02:00Z'],
    ],
    [
      'two o’clock in New York, which comes once when the clocks go back',
      '0 2 * * *',
      'America/New_York',
      ['2026-10-31', '2026-11-03'],
      ['2026-10-31T06:00Z', '2026-11-01T07:00Z', '2026-11-02T07:00Z'],
    ],
    [
      'a time in the hour that comes twice: the first one counts',
      '30 2 * * *',
      'Europe/Berlin',
      ['2026-10-24', '2026-10-27'],
      ['2026-10-24T00:30Z', '2026-10-25T00:30Z', '2026-10-26T01:30Z'],
    ],
    [
      'a time in the hour that is left out: at the shift',
      '30 2 * * *',
      'Europe/Berlin',
      ['2026-03-28', '2026-03-31'],
      ['2026-03-28T01:30Z', '2026-03-29T01:00Z', '2026-03-30T00:30Z'],
    ],
    [
      'the same on the southern half, where January is summer',
      '30 2 * * *',
      'Australia/Sydney',
      ['2026-10-02T20:00Z', '2026-10-05T00:00Z'],
      ['2026-10-03T16:00Z', '2026-10-04T15:30Z'],
    ],
    [
      'a shift of half an hour',
      '45 1 * * *',
      'Australia/Lord_Howe',
      ['2026-04-03T20:00Z', '2026-04-05T20:00Z'],
      ['2026-04-04T14:45Z', '2026-04-05T15:15Z'],
    ],
    [
      'every hour goes by elapsed time, through the repeated hour',
      '0 * * * *',
      'Europe/Berlin',
      ['2026-10-24T23:30Z', '2026-10-25T02:30Z'],
      ['2026-10-25T00:00Z', '2026-10-25T01:00Z', '2026-10-25T02:00Z'],
    ],
    [
      'every hour through the hour that is left out',
      '0 * * * *',
      'Europe/Berlin',
      ['2026-03-29T00:30Z', '2026-03-29T02:30Z'],
      ['2026-03-29T01:00Z', '2026-03-29T02:00Z'],
    ],
    [
      'two times of the same repeated hour, each once',
      '10,50 2 * * *',
      'Europe/Berlin',
      ['2026-10-24T23:00Z', '2026-10-25T12:00Z'],
      ['2026-10-25T00:10Z', '2026-10-25T00:50Z'],
    ],
    [
      'day or weekday, where both are given',
      '0 4 13 * 5',
      'UTC',
      ['2026-11-10', '2026-11-28'],
      ['2026-11-13T04:00Z', '2026-11-20T04:00Z', '2026-11-27T04:00Z'],
    ],
    [
      'Sunday to Friday, which is not every day',
      '0 4 * * 0-5',
      'UTC',
      ['2026-11-20', '2026-11-23'],
      ['2026-11-20T04:00Z', '2026-11-22T04:00Z'],
    ],
    [
      'a name, a step',
      '0 */12 * * sat',
      'UTC',
      ['2026-11-20', '2026-11-28T06:00Z'],
      ['2026-11-21T00:00Z', '2026-11-21T12:00Z', '2026-11-28T00:00Z'],
    ],
  ])('%s', (_what, expression, timeZone, [from = '', to = ''], expected) => {
    expect(dueWithin(expression, timeZone, from, to)).toEqual(expected);
  });

  it('support seconds', () => {
    const times = new DueTimes('*/20 * * * * *', 'UTC');
    expect(times.latest(new Date('2026-11-20T12:00:59.999Z'))).toEqual(new Date('2026-11-20T12:00:40Z'));
    expect(times.next(new Date('2026-11-20T12:00:40Z'))).toEqual(new Date('2026-11-20T12:01:00Z'));
  });

  it('handle a leap day, and a day that never comes', () => {
    const leap = new DueTimes('0 0 29 2 *', 'UTC');
    expect(leap.latest(new Date('2026-11-20'))).toEqual(new Date('2024-02-29'));
    expect(leap.next(new Date('2096-03-01'))).toEqual(new Date('2104-02-29'));
    const never = new DueTimes('0 0 30 2 *', 'UTC');
    expect([never.latest(new Date('2026-11-20')), never.next(new Date('2026-11-20'))]).toEqual([
      undefined,
      undefined,
    ]);
  });

  it('occur once on each day of a year, in every kind of zone', () => {
    for (const zone of ['UTC', 'America/New_York', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Jakarta']) {
      const year = dueWithin('15 2 * * *', zone, '2026-01-01T12:00Z', '2027-01-01T12:00Z');
      expect([zone, year.length]).toEqual([zone, 365]);
    }
  });

  it.each([
    ['0 2 * * *', '2026-11-20T12:00Z', 24],
    // On a Monday morning the last due time was on Friday.
    ['0 2 * * 1-5', '2026-11-23T02:01Z', 72],
    ['0 2 * * 1-5', '2026-11-25T02:01Z', 24],
    ['0 4 * * 0', '2026-11-25', 168],
  ])('the period of %s at %s is %i hours', (expression, now, hours) => {
    expect(new DueTimes(expression, 'UTC').period(new Date(now))).toBe(hours * 3_600_000);
  });
});
