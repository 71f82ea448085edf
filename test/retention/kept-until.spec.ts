import { describe, expect, it } from '@jest/globals';
import { keptUntil } from '../../src/retention/kept-until.js';
import type { RetainedBackup } from '../../src/retention/retention.types.js';

const NOW = new Date('2026-11-27T03:00:00Z');
const RULES = { days: 7, weeks: 4, months: 12, timeZone: 'UTC' };

function backup(day: string, more: Partial<RetainedBackup> = {}): RetainedBackup {
  return { name: day, finishedAt: new Date(`${day}T02:00:00Z`), pinned: false, proven: false, ...more };
}

describe('keptUntil', () => {
  it('has nothing to say without a backup', () => {
    expect(keptUntil([], RULES, NOW)).toEqual({ backups: 0, until: null, pinned: [] });
  });

  it.each([
    // Of the week of Friday 27 November the newest stays: that of Sunday, later.
    ['2026-11-27', '2026-12-04'],
    // The newest of October is the month's for a year.
    ['2026-10-31', '2027-10-01'],
  ])('knows when the backup of %s goes', (day, until) => {
    const { until: found } = keptUntil([backup(day), backup('2026-11-26')], RULES, NOW);
    expect(found?.slice(0, 10)).toBe(until);
  });

  it('names those that are pinned, and those that only a pin keeps', () => {
    expect(keptUntil([backup('2026-11-20', { pinned: true })], RULES, NOW)).toMatchObject({
      backups: 1,
      pinned: ['2026-11-20'],
    });
    const both = keptUntil([backup('2020-01-01', { pinned: true }), backup('2026-11-27')], RULES, NOW);
    expect(both).toMatchObject({ backups: 2, pinned: ['2020-01-01'] });
    expect(both.until?.slice(0, 10)).toBe('2026-12-04');
  });

  it('counts on no restore test of what exists: a newer one passes', () => {
    const { until } = keptUntil(
      [backup('2026-11-27', { proven: true })],
      { ...RULES, weeks: 0, months: 0 },
      NOW,
    );
    expect(until?.slice(0, 10)).toBe('2026-12-04');
  });
});
