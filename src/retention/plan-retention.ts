import { calendarOf } from './calendar.js';
import type { RetainedBackup, RetentionPlan, RetentionRules } from './retention.types.js';

/**
 * Decides which backups stay: the newest of each of the last days, weeks and months that have one. One backup
 * may stand for several periods; empty periods do not count. Whatever the rules say, the newest stays, and the
 * newest that a restore test proved, what is pinned, and what is dated in the future. Pure.
 */
export function planRetention(
  backups: readonly RetainedBackup[],
  rules: RetentionRules,
  now: Date,
): RetentionPlan {
  const newestFirst = backups.toSorted(
    (left, right) =>
      right.finishedAt.getTime() - left.finishedAt.getTime() || (left.name < right.name ? 1 : -1),
  );
  const reasons = new Map<string, string[]>(newestFirst.map(({ name }) => [name, []]));
  const keep = (backup: RetainedBackup | undefined, because: string): void => {
    if (backup) reasons.get(backup.name)?.push(because);
  };
  // A clock that ran ahead must not push the real backups out of their periods.
  const past = newestFirst.filter(({ finishedAt }) => finishedAt <= now);
  keep(past[0], 'newest');
  keep(
    past.find(({ proven }) => proven),
    'newest proven',
  );
  const periodsOf = calendarOf(rules.timeZone);
  for (const [period, label, count] of [
    ['day', 'daily', rules.days],
    ['week', 'weekly', rules.weeks],
    ['month', 'monthly', rules.months],
  ] as const) {
    for (const [name, backup] of newestOfEach(past, (moment) => periodsOf(moment)[period], count)) {
      keep(backup, `${label} ${name}`);
    }
  }
  for (const backup of newestFirst) {
    if (backup.pinned) keep(backup, 'pinned');
    if (backup.finishedAt > now) keep(backup, 'dated in the future');
  }
  return {
    keep: newestFirst.flatMap(({ name }) => {
      const because = reasons.get(name) ?? [];
      return because.length > 0 ? [{ name, because }] : [];
    }),
    remove: newestFirst.map(({ name }) => name).filter((name) => reasons.get(name)?.length === 0),
  };
}

/** The newest backup of each of the last `count` periods that have one. */
function newestOfEach(
  newestFirst: readonly RetainedBackup[],
  periodOf: (moment: Date) => string,
  count: number,
): Map<string, RetainedBackup> {
  const newest = new Map<string, RetainedBackup>();
  for (const backup of newestFirst) {
    const period = periodOf(backup.finishedAt);
    if (newest.has(period)) continue;
    if (newest.size >= count) break;
    newest.set(period, backup);
  }
  return newest;
}

/**
 * What would remain of so many daily backups, one a day up to `now`, when each day's prune follows its backup:
 * the answer to "what do these rules keep?" for who sets them. Pure.
 */
export function simulateRetention(
  count: number,
  rules: RetentionRules,
  now: Date,
): readonly RetainedBackup[] {
  let backups: RetainedBackup[] = [];
  for (let age = count - 1; age >= 0; age -= 1) {
    const finishedAt = new Date(now.getTime() - age * 86_400_000);
    backups.push({ name: finishedAt.toISOString().slice(0, 10), finishedAt, pinned: false, proven: false });
    const removed = new Set(planRetention(backups, rules, finishedAt).remove);
    backups = backups.filter(({ name }) => !removed.has(name));
  }
  return backups;
}
