import { type BackupEntry, isSafetyBackup } from '../backup/backup.types.js';
import { DEFAULT_RETENTION_HOURS, type EnvironmentName } from '../config/settings.js';
import { counted } from '../core/text.js';
import type { RetainedBackup, RetentionPlan, RetentionRules } from './retention.types.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Plans which backups to keep. Every backup of the last hours is kept, and of older regular backups the newest of each of
 * the last days, weeks and months that have one. One backup can count for several periods; periods without a backup are
 * skipped. A safety backup (`pre-restore`, `pre-migration`) is kept for the retention days and counts for no period: it
 * may contain the damage that the restore repairs. The origin of a restore or a deploy is kept as long as its safety
 * backup. Always kept: the newest backup, the newest that passed a restore test, pinned ones, and those dated in the
 * future. Pure.
 *
 * @param others backups of other databases, environments and servers: their origin can be one of `backups`
 */
export function planRetention(
  backups: readonly RetainedBackup[],
  rules: RetentionRules,
  now: Date,
  others: readonly RetainedBackup[] = [],
): RetentionPlan {
  const newestFirst = backups.toSorted(
    (left, right) =>
      right.finishedAt.getTime() - left.finishedAt.getTime() || (left.name < right.name ? 1 : -1),
  );
  const keeper = new Keeper(newestFirst);
  // Backups of a clock that was ahead must not displace others from their periods.
  const past = newestFirst.filter(({ finishedAt }) => finishedAt <= now);
  const regular = past.filter(({ reason }) => !isSafetyBackup(reason));
  keepAlways(keeper, past, regular);
  keepYoung(keeper, past, rules, now);
  const periodsOf = calendarOf(rules.timeZone);
  for (const [period, label, count] of [
    ['day', 'daily', rules.days],
    ['week', 'weekly', rules.weeks],
    ['month', 'monthly', rules.months],
  ] as const) {
    for (const [name, backup] of newestOfEach(regular, (moment) => periodsOf(moment)[period], count)) {
      keeper.keep(backup, `${label} ${name}`);
    }
  }
  for (const backup of newestFirst) {
    if (backup.pinned) keeper.keep(backup, 'pinned');
    if (backup.finishedAt > now) keeper.keep(backup, 'dated in the future');
  }
  for (const other of others) keeper.keepOrigin(other);
  return keeper.plan();
}

/** Keeps the newest of all and of the regular backups, with and without a restore test, even if every rule is 0. */
function keepAlways(
  keeper: Keeper,
  past: readonly RetainedBackup[],
  regular: readonly RetainedBackup[],
): void {
  const isProven = ({ proven }: RetainedBackup): boolean => proven;
  const keepNewest = (
    any: RetainedBackup | undefined,
    ofRegular: RetainedBackup | undefined,
    label: string,
  ) => {
    keeper.keep(any, label);
    if (ofRegular !== any) keeper.keep(ofRegular, `${label} regular backup`);
  };
  keepNewest(past[0], regular[0], 'newest');
  keepNewest(past.find(isProven), regular.find(isProven), 'newest proven');
}

function keepYoung(
  keeper: Keeper,
  past: readonly RetainedBackup[],
  { hours = DEFAULT_RETENTION_HOURS, days }: RetentionRules,
  now: Date,
): void {
  for (const backup of past) {
    const ageMs = now.getTime() - backup.finishedAt.getTime();
    if (ageMs < hours * HOUR_MS) keeper.keep(backup, `younger than ${counted(hours, 'hour')}`);
    if (isSafetyBackup(backup.reason) && ageMs < days * DAY_MS) {
      keeper.keep(backup, `${backup.reason ?? ''}, younger than ${counted(days, 'day')}`);
    }
  }
}

/** Collects the reasons. A backup that is kept also keeps its origin. */
class Keeper {
  private readonly reasons: ReadonlyMap<string, string[]>;
  private readonly byName: ReadonlyMap<string, RetainedBackup>;

  constructor(private readonly newestFirst: readonly RetainedBackup[]) {
    this.reasons = new Map(newestFirst.map(({ name }) => [name, []]));
    this.byName = new Map(newestFirst.map((backup) => [backup.name, backup]));
  }

  keep(backup: RetainedBackup | undefined, because: string): void {
    const reasons = backup && this.reasons.get(backup.name);
    if (!backup || !reasons) return;
    reasons.push(because);
    if (reasons.length > 1) return;
    this.keepOrigin(backup);
    this.keepDeployed(backup);
  }

  /** Keeps the backup that was restored, or that preceded the deploy that was rolled back, after this safety backup. */
  keepOrigin({ name, origin, reason }: RetainedBackup): void {
    if (!origin) return;
    const because =
      reason === 'pre-migration'
        ? `before the deploy that was rolled back after ${name}`
        : `restored when ${name} was made`;
    this.keep(this.byName.get(origin), because);
  }

  /** Keeps the last regular backup before a deploy: the state before the deploy. */
  private keepDeployed({ name, reason, finishedAt }: RetainedBackup): void {
    if (reason !== 'pre-migration') return;
    const before = this.newestFirst.find(
      (other) => !isSafetyBackup(other.reason) && other.finishedAt < finishedAt,
    );
    this.keep(before, `last regular backup before ${name}`);
  }

  plan(): RetentionPlan {
    const decided = this.newestFirst.map(({ name }) => ({ name, because: this.reasons.get(name) ?? [] }));
    return {
      keep: decided.filter(({ because }) => because.length > 0),
      remove: decided.filter(({ because }) => because.length === 0).map(({ name }) => name),
    };
  }
}

/** Returns the newest backup of each of the last `count` periods that have one. */
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
 * Returns what would remain of `count` daily backups up to `now`, with a prune after each backup: it shows what the rules
 * keep. Pure.
 */
export function simulateRetention(
  count: number,
  rules: RetentionRules,
  now: Date,
): readonly RetainedBackup[] {
  let backups: RetainedBackup[] = [];
  for (let age = count - 1; age >= 0; age -= 1) {
    const finishedAt = new Date(now.getTime() - age * DAY_MS);
    backups.push({ name: finishedAt.toISOString().slice(0, 10), finishedAt, pinned: false, proven: false });
    const removed = new Set(planRetention(backups, rules, finishedAt).remove);
    backups = backups.filter(({ name }) => !removed.has(name));
  }
  return backups;
}

/** The database whose backups are pruned. */
export interface Owner {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** The database server's; undefined if the role may not read it. */
  readonly systemIdentifier: string | undefined;
}

/** The backups of the owner, and those that have the same names but another server. */
interface Ownership {
  readonly own: readonly BackupEntry[];
  /** Backups of the same names that another database server made. */
  readonly foreign: readonly BackupEntry[];
}

/**
 * Separates a server's backups from those of another server that uses the same bucket, name of the database and
 * environment. The database's oid is not compared, because a restore changes it. A backup with another system identifier
 * is foreign, so that a mistake keeps a backup too many: backups of a former server stay until they are removed by hand.
 * A backup without an identifier counts as own; an owner without one owns only such backups. Backups of other databases
 * and environments are left out. Pure.
 */
export function ownBackups(backups: readonly BackupEntry[], owner: Owner): Ownership {
  const namesakes = backups.filter(
    ({ database, environment }) => database === owner.database && environment === owner.environment,
  );
  const isOwn = ({ systemIdentifier }: BackupEntry): boolean =>
    systemIdentifier === null || systemIdentifier === owner.systemIdentifier;
  return { own: namesakes.filter(isOwn), foreign: namesakes.filter((backup) => !isOwn(backup)) };
}

/** The periods of a moment, as names that sort by time. */
export interface Periods {
  /** `2026-02-07` */
  readonly day: string;
  /** ISO 8601: `2026-W06` */
  readonly week: string;
  /** `2026-02` */
  readonly month: string;
}

/** Returns a function that finds the periods in one time zone. Creating the formatter is slow, so it is created once. */
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

/** Returns the ISO 8601 week, which belongs to the year of its Thursday. */
function isoWeek(day: string): string {
  const midnight = new Date(`${day}T00:00:00Z`);
  const weekday = midnight.getUTCDay() || 7;
  const thursday = new Date(midnight.getTime() + (4 - weekday) * DAY_MS);
  const year = thursday.getUTCFullYear();
  const week = 1 + Math.floor((thursday.getTime() - Date.UTC(year, 0, 1)) / (7 * DAY_MS));
  return `${year}-W${String(week).padStart(2, '0')}`;
}
