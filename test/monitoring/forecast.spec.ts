import { describe, expect, it } from '@jest/globals';
import {
  diskForecast,
  type Forecast,
  idsForecast,
  supportForecast,
  trendOf,
} from '../../src/monitoring/forecast.js';
import { forecastFindings } from '../../src/monitoring/forecast-findings.js';
import type { Counters } from '../../src/monitoring/monitoring.types.js';
import { TierPace } from '../../src/monitoring/watch/tier-pace.js';
import {
  FailureTrend,
  performanceFindings,
  slowFindings,
  unseenFindings,
} from '../../src/monitoring/watch/trends.js';

const NOW = new Date('2026-02-07T12:00:00Z');
const GB = 1024 ** 3;

/** Days of a value that grows by as much each day, with these exceptions. */
function growing(
  count: number,
  perDay: number,
  exceptions: Readonly<Record<number, number>> = {},
): { day: number; value: number }[] {
  return Array.from({ length: count }, (_, index) => ({
    day: 100 + index,
    value: exceptions[index] ?? index * perDay,
  }));
}

describe('a forecast', () => {
  it('is not changed by a bulk load, nor by a cleanup', () => {
    expect(trendOf(growing(30, 2))?.perDay).toBe(2);
    expect(trendOf(growing(30, 2, { 12: 5000, 20: 0 }))?.perDay).toBe(2);
  });

  it('needs three days', () => {
    expect(trendOf(growing(2, 2))).toBeUndefined();
    expect(diskForecast({ days: growing(2, GB), current: GB, limit: 100 * GB, now: NOW })).toEqual({
      what: 'disk',
      subject: '',
      breaksAt: null,
      range: null,
      text: 'The growth of the database is known after three days.',
    });
  });

  it('of the disk says when, how certain that is, and how fast it grows', () => {
    const days = growing(30, GB).map(({ day, value }) => ({ day, value: value + (day % 3) * GB }));
    const forecast = diskForecast({ days, current: 40 * GB, limit: 81 * GB, now: NOW });
    expect(forecast).toEqual({
      what: 'disk',
      subject: '',
      breaksAt: '2026-03-20T12:00:00.000Z',
      range: {
        earliest: expect.stringMatching(/^2026-03-1\d/),
        latest: expect.stringMatching(/^2026-03-2\d/),
      },
      text: expect.stringMatching(
        /^81\.0 GB are reached in about 41 days \(\d\d to \d\d\), at 1\.0 GB a day\.$/,
      ),
    });
  });

  it('of a database that shrinks, or whose limit is not known, has no date', () => {
    const shrinking = { days: growing(5, -1), current: 10, limit: 20, now: NOW };
    expect(diskForecast(shrinking).text).toBe('20 B are not in sight: the database does not grow.');
    expect(diskForecast({ ...shrinking, limit: null }).text).toBe(
      'How large the database may become is not known: set DB_STORAGE_LIMIT.',
    );
  });

  it('of a key is when its numbers run out', () => {
    const days = growing(10, 0.01);
    expect(idsForecast({ name: 'events.id', share: 0.83 }, { days, now: NOW })).toEqual({
      what: 'ids',
      subject: 'events.id',
      breaksAt: '2026-02-24T12:00:00.000Z',
      range: { earliest: expect.any(String), latest: expect.any(String) },
      text: 'events.id has used 83 % of its numbers, and all of them in about 17 days.',
    });
  });

  it('of the server’s support is known for each version', () => {
    expect(supportForecast(150_018)).toMatchObject({
      subject: 'PostgreSQL 15',
      breaksAt: '2027-11-11T00:00:00.000Z',
      text: 'PostgreSQL 15 gets no fixes after 2027-11-11.',
    });
    expect(supportForecast(990_000)).toBeUndefined();
  });
});

describe('what needs attention because of a forecast', () => {
  const nothing = {
    forecasts: [],
    storage: { limitBytes: null, usedShare: null },
    backups: undefined,
    idsUsed: 0.5,
    growers: [],
    now: NOW,
  };
  const inDays = (days: number): string => new Date(NOW.getTime() + days * 86_400_000).toISOString();
  const of = (what: Forecast['what'], days: number): Forecast => ({
    what,
    subject: 'x',
    breaksAt: inDays(days),
    range: null,
    text: `It ends in ${days} days.`,
  });
  const shown = (facts: Partial<Parameters<typeof forecastFindings>[0]>): string[] =>
    forecastFindings({ ...nothing, ...facts }).map(
      ({ code, severity, text }) => `${severity} ${code}: ${text}`,
    );

  it('is a disk that is mostly full and fills, with who filled it', () => {
    const growers = [
      { schema: 'public', name: 'events', bytes: 3 * GB },
      { schema: 'app', name: 'Log', bytes: GB },
    ];
    const at = (usedShare: number, days: number): string[] =>
      shown({ forecasts: [of('disk', days)], storage: { limitBytes: GB, usedShare }, growers });
    expect(at(0.59, 3)).toEqual([]);
    expect(at(0.61, 31)).toEqual([]);
    expect(at(0.61, 20)).toEqual([
      'warning DISK_FILLS: It ends in 20 days; it grew most in events (3.0 GB), app."Log" (1.0 GB)',
    ]);
    expect(at(0.61, 6)).toEqual([expect.stringMatching(/^critical DISK_FILLS: /)]);
  });

  it('is a certificate that expires, and a version that gets no fixes', () => {
    expect(shown({ forecasts: [of('certificate', 46), of('support', 200)] })).toEqual([]);
    expect(shown({ forecasts: [of('certificate', 44), of('support', -3)] })).toEqual([
      'warning CERTIFICATE_EXPIRES: It ends in 44 days',
      'info SERVER_OUTDATED: It ends in -3 days',
    ]);
    expect(shown({ forecasts: [of('certificate', 13)] })[0]).toMatch(/^critical /);
  });

  it('is a key that runs out within half a year, if the probe does not report it anyway', () => {
    expect(shown({ forecasts: [of('ids', 181)] })).toEqual([]);
    expect(shown({ forecasts: [of('ids', 179)] })).toEqual(['warning IDS_RUN_OUT: It ends in 179 days']);
    expect(shown({ forecasts: [of('ids', 29)] })).toEqual(['critical IDS_RUN_OUT: It ends in 29 days']);
    expect(shown({ forecasts: [of('ids', 29)], idsUsed: 0.75 })).toEqual([]);
  });

  it('is a directory without room for three more backups', () => {
    const backups = { directory: '/backups', freeBytes: 3 * GB, newestBytes: GB };
    expect(shown({ backups })).toEqual([]);
    expect(shown({ backups: { ...backups, freeBytes: 2.5 * GB } })).toEqual([
      'warning BACKUP_DISK_FILLS: /backups has 2.5 GB free; the newest backup has 1.0 GB',
    ]);
  });
});

describe('what several samples show', () => {
  const counters: Counters = {
    commits: 0,
    rollbacks: 0,
    blocksRead: 0,
    blocksHit: 0,
    tempBytes: 0,
    deadlocks: 0,
    checksumFailures: 0,
    sessionsFatal: 0,
    sessionsKilled: 0,
    statements: 0,
    statementsMs: 0,
    archiveFailures: 0,
  };
  /** Judges samples of every 15 s, each with the counters that a function returns for its number. */
  function after(samples: number, of: (index: number) => Partial<Counters>): string[] {
    const trend = new FailureTrend();
    let findings: string[] = [];
    for (let index = 0; index < samples; index += 1) {
      findings = trend
        .add({ counters: { ...counters, ...of(index) } }, index * 15_000)
        .map(({ severity, subject, text }) => `${severity} ${subject}: ${text}`);
    }
    return findings;
  }

  it('is transactions that are rolled back for five minutes', () => {
    const rolledBack = (index: number): Partial<Counters> => ({
      commits: index * 100,
      rollbacks: index * 30,
    });
    expect(after(15, rolledBack)).toEqual([]);
    expect(after(25, rolledBack)).toEqual([
      'warning rollbacks: 23 % of the transactions are rolled back, 2.0 a second',
    ]);
    // Few, or seldom.
    expect(after(25, (index) => ({ commits: index * 1000, rollbacks: index * 30 }))).toEqual([]);
    expect(after(25, (index) => ({ commits: index, rollbacks: index }))).toEqual([]);
  });

  it('is a deadlock and a killed session, for five minutes', () => {
    const once = (index: number): Partial<Counters> => ({
      deadlocks: index >= 2 ? 1 : 0,
      sessionsKilled: index >= 2 ? 2 : 0,
    });
    expect(after(2, once)).toEqual([]);
    expect(after(3, once)).toEqual([
      'warning deadlocks: 1 deadlock in the last minutes',
      'warning killed sessions: 2 sessions were killed in the last minutes',
    ]);
    expect(after(20, once)).toHaveLength(2);
    expect(after(24, once)).toEqual([]);
  });

  it('is nothing when the counters were reset', () => {
    expect(after(4, (index) => (index === 3 ? { commits: 1, deadlocks: 5 } : { commits: 1000 }))).toEqual([]);
  });

  it('is statements that take longer than usual', () => {
    const usual = { meanMs: 31, callsPerSecond: 2, usualMs: 10 };
    expect(performanceFindings(usual)).toEqual([
      {
        code: 'PERFORMANCE_DEGRADED',
        severity: 'warning',
        subject: '',
        text: 'Statements take 31.0 ms on average, usually 10.0 ms at this time',
        remedy: expect.any(String),
        sql: null,
      },
    ]);
    for (const change of [{ meanMs: 29 }, { callsPerSecond: 1 }, { meanMs: 4, usualMs: 1 }]) {
      expect(performanceFindings({ ...usual, ...change })).toEqual([]);
    }
    expect(performanceFindings(undefined)).toEqual([]);
  });

  it('is probes that gave no answer, and probes that take so long that they come seldom', () => {
    expect(unseenFindings([])).toEqual([]);
    expect(unseenFindings([{ probe: 'sizes', reason: 'canceling statement' }])[0]?.text).toBe(
      '1 probe gave no answer, such as sizes: canceling statement',
    );
    const pace = new TierPace(15_000);
    pace.took('sample', { beganMs: 0, endedMs: 1400 });
    expect(slowFindings(pace)).toEqual([]);
    pace.took('sample', { beganMs: 0, endedMs: 1600 });
    expect(slowFindings(pace).map(({ text }) => text)).toEqual([
      'The probes of every sample rest 11 times as long as they should, because they take long',
    ]);
    // It rests 100 times as long as it took.
    expect([pace.isDue('sample', 150_000), pace.isDue('sample', 161_600)]).toEqual([false, true]);
  });
});
