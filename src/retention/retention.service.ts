import { Inject, Injectable } from '@nestjs/common';
import { backupSubject } from '../backup/backup-name.js';
import { BackupService } from '../backup/backup.service.js';
import type { BackupEntry, BackupList } from '../backup/backup.types.js';
import { operator } from '../changelog/actor.js';
import { ChangelogService } from '../changelog/changelog.service.js';
import { Clock } from '../clock/clock.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { databaseError } from '../database/database-fault.js';
import { DatabaseService } from '../database/database.service.js';
import { readIdentity } from '../environment/read-environment.js';
import { KeepError } from '../errors.js';
import { BACKUP_STORAGE } from '../storage/storage.token.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { KnownBackups } from './known-backups.js';
import { ownBackups } from './own-backups.js';
import { planRetention, simulateRetention } from './plan-retention.js';
import type { PruneReport, RetainedBackup, RetentionRules } from './retention.types.js';

export interface PruneOptions {
  /** Only plan. Defaults to false. */
  readonly dryRun?: boolean;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Asked before each removal: what it throws ends the prune, and what is not removed yet stays. */
  readonly beforeRemove?: () => Promise<void>;
}

/** Removes the backups that the rules no longer need. */
@Injectable()
export class RetentionService {
  private readonly rules: RetentionRules;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    private readonly backups: BackupService,
    private readonly clock: Clock,
    private readonly changelog: ChangelogService,
    private readonly database: DatabaseService,
  ) {
    const { retentionDays = 7, retentionWeeks, retentionMonths, timeZone } = settings.backup;
    this.rules = { days: retentionDays, weeks: retentionWeeks, months: retentionMonths, timeZone };
  }

  /**
   * Plans over the backups of this database and environment, and removes what the plan does not keep, in every
   * place. Those of other databases, environments and servers in the same place are not looked at; the database is
   * asked which server it is.
   * @throws KeepError `PRUNE_REFUSED` when the listing cannot be trusted, `DATABASE_…`, `STORAGE_…`.
   */
  async prune({
    dryRun = false,
    actor = operator(),
    beforeRemove = async () => undefined,
  }: PruneOptions = {}): Promise<PruneReport> {
    const list = await this.backups.list();
    const { url } = this.settings.database;
    const { environment } = this.settings;
    const systemIdentifier = await this.systemIdentifier();
    const owner = { database: url.database, environment, systemIdentifier };
    const { own, foreign } = ownBackups(list.backups, owner);
    const subject = backupSubject(url.database, environment);
    const known = new KnownBackups(this.storage, subject);
    requireTrustworthy(list, await known.read());
    const plan = planRetention(own.map(toRetained), this.rules, this.clock.now());
    const report = { ...plan, foreign: foreign.map(({ name }) => name), dryRun };
    if (dryRun) return { ...report, recorded: false };
    // First, so that a prune that is ended half-way leaves no backup that was expected and is gone.
    await known.write(plan.keep.map(({ name }) => name));
    for (const backup of own.filter(({ name }) => plan.remove.includes(name))) {
      await beforeRemove();
      await this.backups.remove(backup);
    }
    if (plan.remove.length === 0) return { ...report, recorded: false };
    const details = { removed: plan.remove, kept: plan.keep.length };
    return {
      ...report,
      ...(await this.changelog.recordDone({ deed: 'prune', subject, details, actor })),
    };
  }

  /** Which of so many dailies would remain, one a day up to now. */
  simulate(count: number): readonly RetainedBackup[] {
    return simulateRetention(count, this.rules, this.clock.now());
  }

  private async systemIdentifier(): Promise<string | undefined> {
    const { primary, timeouts } = this.database;
    try {
      const identity = await this.database.withPooled(primary, (client) => readIdentity(client, timeouts));
      return identity?.systemIdentifier;
    } catch (error) {
      throw databaseError('ask the database which server it is, to prune its backups only', error);
    }
  }
}

function toRetained({ name, finishedAt, pinned, restoreTest }: BackupEntry): RetainedBackup {
  return { name, finishedAt: new Date(finishedAt), pinned, proven: restoreTest === 'passed' };
}

/** A plan made on half a listing would remove what the other half was needed for. */
function requireTrustworthy(
  { backups, unreadable, unreachable }: BackupList,
  known: readonly string[],
): void {
  if (unreachable.length > 0) {
    // What is only there may be the newest, or the last one of its month.
    const reasons = unreachable.map(({ message }) => message).join(' ');
    throw new KeepError('PRUNE_REFUSED', `Refused to prune. ${reasons} Nothing was removed.`, {
      hint: 'Prune again when `pgkeep backup list` shows every place.',
    });
  }
  if (unreadable.length > 0) {
    throw new KeepError(
      'PRUNE_REFUSED',
      `Refused to prune: ${unreadable.join(', ')} cannot be read as a manifest. Nothing was removed.`,
      {
        hint: 'Restore the file from a copy, or take it away, then prune again.',
      },
    );
  }
  const names = new Set(backups.map(({ name }) => name));
  const lost = known.filter((name) => !names.has(name));
  if (lost.length * 2 <= known.length) return;
  throw new KeepError(
    'PRUNE_REFUSED',
    `Refused to prune: of the ${known.length} backups that the last prune left, ${lost.length} are gone. Nothing was removed.`,
    {
      hint: `Find out where they went: ${lost.slice(0, 3).join(', ')}${lost.length > 3 ? ', …' : ''}. Is BACKUP_DIR the right place?`,
    },
  );
}
