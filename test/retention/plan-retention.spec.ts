import { describe, expect, it } from '@jest/globals';
import { calendarOf, planRetention, simulateRetention } from '../../src/retention/plan-retention.js';
import type { RetainedBackup, RetentionRules } from '../../src/retention/retention.types.js';

const NOW = new Date('2026-02-07T12:00:00Z');
const RULES: RetentionRules = { days: 7, weeks: 4, months: 12, timeZone: 'UTC' };

function backup(finishedAt: string, state: Partial<RetainedBackup> = {}): RetainedBackup {
  return { name: finishedAt, finishedAt: new Date(finishedAt), pinned: false, proven: false, ...state };
}

/** One backup a day at two in the morning, the newest on the day of NOW. */
function dailies(count: number): RetainedBackup[] {
  return Array.from({ length: count }, (_, age) =>
    backup(new Date(Date.parse('2026-02-07T02:00:00Z') - age * 86_400_000).toISOString()),
  );
}

function days(names: readonly string[]): string[] {
  return names.map((name) => name.slice(0, 10));
}

describe('planRetention', () => {
  it('keeps seven days, four weeks and twelve months of dailies', () => {
    const { keep, remove } = planRetention(dailies(400), RULES, NOW);
    expect(days(keep.map(({ name }) => name))).toEqual([
      '2026-02-07',
      '2026-02-06',
      '2026-02-05',
      '2026-02-04',
      '2026-02-03',
      '2026-02-02',
      '2026-02-01',
      '2026-01-31',
      '2026-01-25',
      '2026-01-18',
      '2025-12-31',
      '2025-11-30',
      '2025-10-31',
      '2025-09-30',
      '2025-08-31',
      '2025-07-31',
      '2025-06-30',
      '2025-05-31',
      '2025-04-30',
      '2025-03-31',
    ]);
    expect(keep.length + remove.length).toBe(400);
    expect(keep[0]?.because).toEqual([
      'newest',
      'younger than 48 hours',
      'daily 2026-02-07',
      'weekly 2026-W06',
      'monthly 2026-02',
    ]);
    expect(keep[6]?.because).toEqual(['daily 2026-02-01', 'weekly 2026-W05']);
  });

  it('counts one hour and one day in the singular', () => {
    const [young] = planRetention(
      [backup('2026-02-07T11:30:00Z', { reason: 'pre-restore' })],
      { ...RULES, hours: 1, days: 1 },
      NOW,
    ).keep;
    expect(young?.because).toEqual(['newest', 'younger than 1 hour', 'pre-restore, younger than 1 day']);
  });

  it('counts only periods that have a backup', () => {
    const yearly = ['2026-02-01', '2025-02-01', '2024-02-01'].map((day) => backup(`${day}T02:00:00Z`));
    expect(planRetention(yearly, { ...RULES, days: 2, weeks: 0, months: 0 }, NOW)).toEqual({
      keep: [
        { name: '2026-02-01T02:00:00Z', because: ['newest', 'daily 2026-02-01'] },
        { name: '2025-02-01T02:00:00Z', because: ['daily 2025-02-01'] },
      ],
      remove: ['2024-02-01T02:00:00Z'],
    });
  });

  it('keeps the newest of a day, once its backups are older than the hours', () => {
    const two = [
      backup('2026-02-06T02:00:00Z'),
      backup('2026-02-06T14:00:00Z'),
      backup('2026-02-07T02:00:00Z'),
    ];
    expect(planRetention(two, RULES, NOW).remove).toEqual([]);
    expect(planRetention(two, { ...RULES, hours: 12 }, NOW).remove).toEqual(['2026-02-06T02:00:00Z']);
  });

  it('keeps the good backup of the day of an accident, and the copy of the damaged database', () => {
    const backups = [
      backup('2026-01-28T02:00:00Z'),
      backup('2026-01-28T10:00:00Z', { reason: 'pre-migration' }),
      backup('2026-01-28T14:00:00Z', { reason: 'pre-restore', origin: '2026-01-28T02:00:00Z' }),
      backup('2026-01-29T02:00:00Z'),
    ];
    expect(planRetention(backups, { ...RULES, days: 30 }, NOW)).toEqual({
      keep: [
        {
          name: '2026-01-29T02:00:00Z',
          because: ['newest', 'daily 2026-01-29', 'weekly 2026-W05', 'monthly 2026-01'],
        },
        { name: '2026-01-28T14:00:00Z', because: ['pre-restore, younger than 30 days'] },
        { name: '2026-01-28T10:00:00Z', because: ['pre-migration, younger than 30 days'] },
        {
          name: '2026-01-28T02:00:00Z',
          because: [
            'restored when 2026-01-28T14:00:00Z was made',
            'last regular backup before 2026-01-28T10:00:00Z',
            'daily 2026-01-28',
          ],
        },
      ],
      remove: [],
    });
  });

  it('keeps a restored backup as long as the safety backup of that restore, and no longer', () => {
    const old = backup('2025-11-01T02:00:00Z');
    const safety = backup('2026-01-20T14:00:00Z', { reason: 'pre-restore', origin: old.name });
    const removed = (kept: number): string[] => {
      const rules = { ...RULES, days: kept, weeks: 0, months: 0 };
      const { remove } = planRetention([old, safety, ...dailies(60)], rules, NOW);
      return remove.filter((name) => name === old.name || name === safety.name);
    };
    expect(removed(18)).toEqual([]);
    expect(removed(17)).toEqual([safety.name, old.name]);
  });

  it('keeps a backup that another database or environment was restored from', () => {
    const old = backup('2025-11-01T02:00:00Z');
    const safety = backup('2026-01-20T14:00:00Z', { reason: 'pre-restore', origin: old.name });
    const rules = { ...RULES, days: 1, weeks: 0, months: 0 };
    expect(planRetention([old, ...dailies(2)], rules, NOW, [safety]).keep.at(-1)).toEqual({
      name: old.name,
      because: [`restored when ${safety.name} was made`],
    });
  });

  it('keeps the newest regular backup where a safety backup is newer, proven or not', () => {
    const nothing: RetentionRules = { hours: 0, days: 0, weeks: 0, months: 0, timeZone: 'UTC' };
    const backups = [
      backup('2026-02-06T14:00:00Z', { reason: 'pre-restore', proven: true }),
      backup('2026-02-06T02:00:00Z'),
      backup('2026-02-05T02:00:00Z', { proven: true }),
    ];
    expect(planRetention(backups, nothing, NOW).keep).toEqual([
      { name: '2026-02-06T14:00:00Z', because: ['newest', 'newest proven'] },
      { name: '2026-02-06T02:00:00Z', because: ['newest regular backup'] },
      { name: '2026-02-05T02:00:00Z', because: ['newest proven regular backup'] },
    ]);
  });

  it('never removes the newest, the newest proven, a pinned one, or one dated in the future', () => {
    const nothing: RetentionRules = { hours: 0, days: 0, weeks: 0, months: 0, timeZone: 'UTC' };
    const backups = [
      backup('2026-02-08T02:00:00Z'),
      backup('2026-02-06T02:00:00Z'),
      backup('2026-02-05T02:00:00Z', { proven: true }),
      backup('2026-02-04T02:00:00Z', { proven: true }),
      backup('2020-01-01T02:00:00Z', { pinned: true }),
    ];
    expect(planRetention(backups, nothing, NOW)).toEqual({
      keep: [
        { name: '2026-02-08T02:00:00Z', because: ['dated in the future'] },
        { name: '2026-02-06T02:00:00Z', because: ['newest'] },
        { name: '2026-02-05T02:00:00Z', because: ['newest proven'] },
        { name: '2020-01-01T02:00:00Z', because: ['pinned'] },
      ],
      remove: ['2026-02-04T02:00:00Z'],
    });
    expect(planRetention([], nothing, NOW)).toEqual({ keep: [], remove: [] });
  });

  it('uses days of the local time zone', () => {
    const two = [backup('2026-02-05T17:30:00Z'), backup('2026-02-05T16:30:00Z')];
    const rules = { ...RULES, hours: 0 };
    expect(planRetention(two, { ...rules, timeZone: 'Asia/Jakarta' }, NOW).remove).toEqual([]);
    expect(planRetention(two, rules, NOW).remove).toEqual(['2026-02-05T16:30:00Z']);
  });

  it('does not depend on the order, and is stable: planning again removes nothing', () => {
    const backups = dailies(120);
    const plan = planRetention(backups, RULES, NOW);
    expect(planRetention(backups.toReversed(), RULES, NOW)).toEqual(plan);
    const kept = backups.filter(({ name }) => plan.keep.some((entry) => entry.name === name));
    expect(planRetention(kept, RULES, NOW).remove).toEqual([]);
  });
});

describe('the calendar', () => {
  it.each([
    ['2026-02-07T12:00:00Z', 'UTC', '2026-02-07', '2026-W06', '2026-02'],
    ['2027-01-01T12:00:00Z', 'UTC', '2027-01-01', '2026-W53', '2027-01'],
    ['2024-12-30T12:00:00Z', 'UTC', '2024-12-30', '2025-W01', '2024-12'],
    ['2026-03-29T01:30:00Z', 'Europe/Berlin', '2026-03-29', '2026-W13', '2026-03'],
    ['2026-10-25T22:59:59Z', 'Europe/Berlin', '2026-10-25', '2026-W43', '2026-10'],
    ['2026-10-25T23:00:00Z', 'Europe/Berlin', '2026-10-26', '2026-W44', '2026-10'],
  ])('%s in %s', (moment, timeZone, day, week, month) => {
    expect(calendarOf(timeZone)(new Date(moment))).toEqual({ day, week, month });
  });
});

it('simulates 400 dailies, pruned every day', () => {
  const remaining = simulateRetention(400, RULES, NOW);
  // Pruning daily keeps the same as pruning once: no rule needs a backup that was removed earlier.
  const atOnce = planRetention(
    Array.from({ length: 400 }, (_, age) => backup(new Date(NOW.getTime() - age * 86_400_000).toISOString())),
    RULES,
    NOW,
  );
  expect(remaining.map(({ name }) => name).toReversed()).toEqual(days(atOnce.keep.map(({ name }) => name)));
});
