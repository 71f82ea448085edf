import { type BackupEntry, isSafetyBackup } from '../backup/backup.types.js';
import { DEFAULT_RETENTION_HOURS, type EnvironmentName } from '../config/settings.js';
import { counted } from '../core/counted.js';
import { calendarOf } from './calendar.js';
import type { RetainedBackup, RetentionPlan, RetentionRules } from './retention.types.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Decides which backups stay. Every backup of the last hours does. Of older regular backups the newest of each of the
 * last days, weeks and months that have one stays; one backup may stand for several periods, and empty periods do not
 * count. A safety backup (`pre-restore`, `pre-migration`) stays for the retention days and stands for no period: it may
 * hold the damage that the restore is for. What a restore or a deploy came from stays as long as its safety backup.
 * Whatever the rules say, the newest stays, the newest that a restore test proved, what is pinned and what is dated in the future. Pure.
 *
 * @param others backups of other databases, environments and servers: one of these may have been made before a restore of one of these
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
  // A clock that ran ahead must not push the real backups out of their periods.
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

/** The newest of all and of the regular ones, proven or not: these stay where every rule is 0. */
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

/** Collects the reasons; what is kept keeps what it came from. */
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

  /** A deploy came from the state that the last regular backup before it holds. */
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
    const finishedAt = new Date(now.getTime() - age * DAY_MS);
    backups.push({ name: finishedAt.toISOString().slice(0, 10), finishedAt, pinned: false, proven: false });
    const removed = new Set(planRetention(backups, rules, finishedAt).remove);
    backups = backups.filter(({ name }) => !removed.has(name));
  }
  return backups;
}

/** Whose backups are to be pruned. */
export interface Owner {
  readonly database: string;
  readonly environment: EnvironmentName;
  /** The database server's; undefined where the role may not ask for it. */
  readonly systemIdentifier: string | undefined;
}

/** The backups that are the owner's to prune, and those that only look like it. */
interface Ownership {
  readonly own: readonly BackupEntry[];
  /** Of the same names, and made by another database server. */
  readonly foreign: readonly BackupEntry[];
}

/**
 * Tells a server's backups from those of another one that shares the bucket, the database's name and the environment.
 * The database's oid would tell more, and too much: a restore changes it. Whatever names another system identifier
 * is not the owner's, so that the worst mistake is a backup too many: what an earlier server made stays until
 * somebody removes it by hand. A backup that names none goes by its name; and an owner that does not know its own
 * identifier owns only such backups. Those of other databases and environments are left out. Pure.
 */
export function ownBackups(backups: readonly BackupEntry[], owner: Owner): Ownership {
  const namesakes = backups.filter(
    ({ database, environment }) => database === owner.database && environment === owner.environment,
  );
  const isOwn = ({ systemIdentifier }: BackupEntry): boolean =>
    systemIdentifier === null || systemIdentifier === owner.systemIdentifier;
  return { own: namesakes.filter(isOwn), foreign: namesakes.filter((backup) => !isOwn(backup)) };
}
