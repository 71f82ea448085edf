import { Inject, Injectable } from '@nestjs/common';
import { backupSubject } from '../backup/backup-name.js';
import { BackupService } from '../backup/backup.service.js';
import type { BackupEntry } from '../backup/backup.types.js';
import { Clock } from '../clock/clock.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { KeepError } from '../errors.js';
import { BACKUP_STORAGE } from '../storage/storage.token.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { KnownBackups } from './known-backups.js';
import { planRetention, simulateRetention } from './plan-retention.js';
import type { PruneOptions, PruneReport, RetainedBackup, RetentionRules } from './retention.types.js';

/** Removes the backups that the rules no longer need. */
@Injectable()
export class RetentionService {
  private readonly rules: RetentionRules;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    private readonly backups: BackupService,
    private readonly clock: Clock,
  ) {
    const { retentionDays = 7, retentionWeeks, retentionMonths, timeZone } = settings.backup;
    this.rules = { days: retentionDays, weeks: retentionWeeks, months: retentionMonths, timeZone };
  }

  /**
   * Plans over the backups of this database and environment, and removes what the plan does not keep. Those of
   * other databases in the same place are not looked at.
   * @throws KeepError `PRUNE_REFUSED` when the listing cannot be trusted, `STORAGE_…`.
   */
  async prune({
    dryRun = false,
    beforeRemove = async () => undefined,
  }: PruneOptions = {}): Promise<PruneReport> {
    const { backups, unreadable } = await this.backups.list();
    const own = backups.filter((backup) => this.isOwn(backup));
    const known = new KnownBackups(
      this.storage,
      backupSubject(this.settings.database.url.database, this.settings.environment),
    );
    requireTrustworthy(own, unreadable, await known.read());
    const plan = planRetention(own.map(toRetained), this.rules, this.clock.now());
    if (!dryRun) {
      for (const name of plan.remove) {
        await beforeRemove();
        await this.backups.remove(name);
      }
      await known.write(plan.keep.map(({ name }) => name));
    }
    return { ...plan, dryRun };
  }

  /** Which of so many dailies would remain, one a day up to now. */
  simulate(count: number): readonly RetainedBackup[] {
    return simulateRetention(count, this.rules, this.clock.now());
  }

  private isOwn({ database, environment }: BackupEntry): boolean {
    return database === this.settings.database.url.database && environment === this.settings.environment;
  }
}

function toRetained({ name, finishedAt, pinned, restoreTest }: BackupEntry): RetainedBackup {
  return { name, finishedAt: new Date(finishedAt), pinned, proven: restoreTest === 'passed' };
}

/** A plan made on half a listing would remove what the other half was needed for. */
function requireTrustworthy(
  backups: readonly BackupEntry[],
  unreadable: readonly string[],
  known: readonly string[],
): void {
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
