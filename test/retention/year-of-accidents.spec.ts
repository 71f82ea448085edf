import { describe, expect, it } from '@jest/globals';
import { planRetention } from '../../src/retention/plan-retention.js';
import type { RetainedBackup, RetentionRules } from '../../src/retention/retention.types.js';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.parse('2026-01-01T00:00:00Z');
const RULES = { hours: 48, days: 30, weeks: 4, months: 12, timeZone: 'UTC' } satisfies RetentionRules;

/** Numbers from 0 to 1 that are the same in every run. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

/** A database, its backups, and the prune that follows each scheduled one. */
class Year {
  backups: RetainedBackup[] = [];
  restores = 0;
  deploys = 0;
  /** When the database was damaged; undefined while it is not. */
  private damagedAt: number | undefined;

  make(at: number, state: Partial<RetainedBackup> = {}): void {
    const name = `${state.reason ?? 'scheduled'} ${new Date(at).toISOString()}`;
    this.backups.push({ name, finishedAt: new Date(at), pinned: false, proven: false, ...state });
  }

  damage(at: number): void {
    this.damagedAt ??= at;
  }

  /** Notices the damage: restores the last backup from before it, which must exist. */
  restore(at: number): void {
    if (this.damagedAt === undefined) return;
    const good = this.newestRegularBefore(this.damagedAt);
    this.make(at, { reason: 'pre-restore', origin: good.name });
    this.restores += 1;
    this.damagedAt = undefined;
  }

  deploy(at: number): void {
    this.make(at, { reason: 'pre-migration' });
    this.deploys += 1;
  }

  prune(at: number): void {
    const { keep } = planRetention(this.backups, RULES, new Date(at));
    const kept = new Set(keep.map(({ name }) => name));
    this.backups = this.backups.filter(({ name }) => kept.has(name));
  }

  newestRegularBefore(at: number): RetainedBackup {
    const before = this.backups.filter(
      ({ reason, finishedAt }) => reason === undefined && finishedAt.getTime() < at,
    );
    const newest = before.toSorted(
      (left, right) => right.finishedAt.getTime() - left.finishedAt.getTime(),
    )[0];
    if (!newest) throw new Error(`no backup from before ${new Date(at).toISOString()}`);
    return newest;
  }

  has(name: string | null | undefined): boolean {
    return this.backups.some((backup) => backup.name === name);
  }
}

/** Simulates this many days, hour by hour; `check` is called after the prune that follows each scheduled backup. */
function live(
  { everyHours, days, seed }: { everyHours: number; days: number; seed: number },
  check: (year: Year, made: RetainedBackup[], now: number) => void,
) {
  const roll = dice(seed);
  const year = new Year();
  const made: RetainedBackup[] = [];
  let noticedAt = Infinity;
  for (let now = START; now < START + days * DAY_MS; now += HOUR_MS) {
    const known = year.backups.length;
    const isDue = (now - START) % (everyHours * HOUR_MS) === (2 * HOUR_MS) % (everyHours * HOUR_MS);
    if (isDue) year.make(now);
    if (now > START + 3 * DAY_MS && noticedAt === Infinity && roll() < 0.01) {
      year.damage(now + 20 * MINUTE_MS);
      noticedAt = now + roll() * 44 * HOUR_MS;
    }
    if (now >= noticedAt) {
      year.restore(now + 30 * MINUTE_MS);
      noticedAt = Infinity;
    }
    if (roll() < 0.01) year.deploy(now + 40 * MINUTE_MS);
    made.push(...year.backups.slice(known));
    if (!isDue) continue;
    year.prune(now + 50 * MINUTE_MS);
    check(year, made, now + 50 * MINUTE_MS);
  }
  return year;
}

describe.each([
  ['a year of nightly backups', { everyHours: 24, days: 365, seed: 31 }],
  ['two months of hourly backups', { everyHours: 1, days: 60, seed: 8 }],
])('%s, with accidents and deploys', (_title, course) => {
  const { everyHours, days } = course;

  it('keeps every backup that may still be needed, and few more', () => {
    const year = live(course, (current, made, now) => {
      const missing = made.filter(({ name, finishedAt, reason }) => {
        const ageMs = now - finishedAt.getTime();
        const isYoung = ageMs < (reason === undefined ? 48 * HOUR_MS : 30 * DAY_MS);
        return isYoung && !current.has(name);
      });
      expect(missing).toEqual([]);
      expect(current.backups.filter(({ origin }) => origin && !current.has(origin))).toEqual([]);
    });
    expect(year.restores).toBeGreaterThan(days / 10);
    expect(year.deploys).toBeGreaterThan(days / 10);
    const kept = new Set(
      year.backups
        .filter(({ reason }) => reason === undefined)
        .map(({ finishedAt }) => finishedAt.toISOString().slice(0, 10)),
    );
    // A regular backup of every one of the last 30 days, whatever happened on it.
    for (let age = 1; age <= 30; age += 1) {
      expect(kept).toContain(new Date(START + (days - age) * DAY_MS).toISOString().slice(0, 10));
    }
    // 30 days, 4 weeks, 12 months, the last two days in full, and what the restores and deploys of the month came from.
    const safetyBackups = year.backups.filter(({ reason }) => reason !== undefined).length;
    expect(year.backups.length).toBeLessThan(30 + 4 + 12 + 48 / everyHours + 2 * safetyBackups);
  });
});
