import type { BackupCopies } from '../privacy/privacy.types.js';
import { planRetention } from './plan-retention.js';
import type { RetainedBackup, RetentionRules } from './retention.types.js';

const DAY_MS = 86_400_000;

/**
 * Returns until when the backups that exist now are kept, if a backup is made each day and passes its restore test: what
 * is erased today is in them until then. Pure.
 */
export function keptUntil(
  backups: readonly RetainedBackup[],
  rules: RetentionRules,
  now: Date,
): BackupCopies {
  const pinned = backups.filter((backup) => backup.pinned).map(({ name }) => name);
  const passing = new Set(backups.filter((backup) => !backup.pinned).map(({ name }) => name));
  const longest = Math.max(rules.days, rules.weeks * 7, rules.months * 31) + 62;
  let kept = [...backups];
  let until = now;
  for (let day = 1; passing.size > 0 && day <= longest; day += 1) {
    until = new Date(now.getTime() + day * DAY_MS);
    kept.push({ name: `day ${day}`, finishedAt: until, pinned: false, proven: true });
    const removed = new Set(planRetention(kept, rules, until).remove);
    kept = kept.filter(({ name }) => !removed.has(name));
    for (const name of removed) passing.delete(name);
  }
  return {
    backups: backups.length,
    until: backups.length === 0 ? null : until.toISOString(),
    pinned,
  };
}
