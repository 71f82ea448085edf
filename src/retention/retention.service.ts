import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import { BackupService } from '../backup/backup.service.js';
import type { BackupEntry, BackupList } from '../backup/backup.types.js';
import { backupSubject } from '../backup/catalog/backup-name.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { boundedList, counted, pluralOf } from '../core/text.js';
import { Clock } from '../core/clock.js';
import { messageOf, PgkeepError } from '../core/errors.js';
import type { Known } from '../core/known.js';
import { readIdentity } from '../environment/stamp.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { BACKUP_STORAGE, type BackupStorage } from '../storage/storage.types.js';
import type { BackupCopies } from '../privacy/privacy.types.js';
import { keptUntil } from './kept-until.js';
import { ownBackups, planRetention, simulateRetention } from './plan-retention.js';
import type {
  KeptBackup,
  PruneReport,
  RetainedBackup,
  RetentionPlan,
  RetentionRules,
} from './retention.types.js';

export interface PruneOptions {
  /** Whether to plan only. Defaults to false. */
  readonly dryRun?: boolean;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Called before each removal. If it throws, the prune ends and the remaining backups stay. */
  readonly beforeRemove?: () => Promise<void>;
}

/** Removes the backups that the retention rules do not keep. */
@Injectable()
export class RetentionService {
  private readonly rules: RetentionRules;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BACKUP_STORAGE) private readonly storage: BackupStorage,
    private readonly backups: BackupService,
    private readonly clock: Clock,
    private readonly auditLog: AuditLogService,
    private readonly database: DatabaseService,
  ) {
    const { retentionHours: hours, retentionDays: days = 7, timeZone } = settings.backup;
    const { retentionWeeks: weeks, retentionMonths: months } = settings.backup;
    this.rules = { hours, days, weeks, months, timeZone };
  }

  /**
   * Plans for the backups of this database and environment, and removes those that the plan does not keep from every
   * place. Backups of other databases, environments and servers in the same place are left alone, which is why the
   * database is asked for its server's identity.
   * @throws PgkeepError `PRUNE_REFUSED` if the list of backups may be incomplete, `DATABASE_…`, `STORAGE_…`.
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
    requireCompleteList(list, await known.read());
    const others = list.backups.filter((backup) => !own.includes(backup));
    const plan = planRetention(own.map(toRetained), this.rules, this.clock.now(), others.map(toRetained));
    const about = { foreign: foreign.map(({ name }) => name), dryRun };
    if (dryRun) return { ...plan, ...about, recorded: false };
    // Before the removals: if the prune ends half-way, no expected backup is missing.
    await known.write(plan.keep.map(({ name }) => name));
    const done = await this.remove(own, plan, beforeRemove);
    if (done.remove.length === 0) return { ...done, ...about, recorded: false };
    const details = { removed: done.remove, kept: done.keep.length };
    const recording = await this.auditLog.recordDone({ action: 'prune', subject, details, actor });
    return { ...done, ...about, ...recording };
  }

  /** Removes what the plan does not keep. @returns the plan as it was executed: a backup in use is kept. */
  private async remove(
    own: readonly BackupEntry[],
    { keep, remove }: RetentionPlan,
    beforeRemove: () => Promise<void>,
  ): Promise<RetentionPlan> {
    const inUse: KeptBackup[] = [];
    for (const backup of own.filter(({ name }) => remove.includes(name))) {
      await beforeRemove();
      const uses = await this.backups.remove(backup);
      if (uses.length > 0) inUse.push({ name: backup.name, because: [`in use: ${uses.join(', ')}`] });
    }
    const used = new Set(inUse.map(({ name }) => name));
    return { keep: [...keep, ...inUse], remove: remove.filter((name) => !used.has(name)) };
  }

  /**
   * Returns until when the backups of this database contain what is erased today; the reason where the backups are not
   * known completely.
   */
  async copies(): Promise<Known<BackupCopies>> {
    try {
      const { backups, unreadable, unreachable } = await this.backups.list();
      const [place] = unreachable;
      if (place) return { reason: place.message };
      if (unreadable.length > 0) return { reason: `${boundedList(unreadable)} cannot be read as a manifest` };
      const { database } = this.settings.database.url;
      const systemIdentifier = await this.systemIdentifier();
      const owner = { database, environment: this.settings.environment, systemIdentifier };
      const { own } = ownBackups(backups, owner);
      return {
        value: keptUntil(
          own.map((backup) => toRetained(backup)),
          this.rules,
          this.clock.now(),
        ),
      };
    } catch (error) {
      return { reason: messageOf(error) };
    }
  }

  /** Returns which of `count` daily backups up to now would remain. */
  simulate(count: number): readonly RetainedBackup[] {
    return simulateRetention(count, this.rules, this.clock.now());
  }

  private async systemIdentifier(): Promise<string | undefined> {
    const { primary, timeouts } = this.database;
    try {
      const identity = await this.database.withPooled(primary, (client) => readIdentity(client, timeouts));
      return identity?.systemIdentifier;
    } catch (error) {
      throw databaseError('read which server the database is on, to prune only its backups', error);
    }
  }
}

function toRetained(backup: BackupEntry): RetainedBackup {
  const { name, finishedAt, pinned, restoreTest, reason, origin } = backup;
  return { name, finishedAt: new Date(finishedAt), pinned, proven: restoreTest === 'passed', reason, origin };
}

/** Refuses an incomplete list of backups: a plan made from it could remove the wrong ones. */
function requireCompleteList(
  { backups, unreadable, unreachable }: BackupList,
  known: readonly string[],
): void {
  if (unreachable.length > 0) {
    // The newest backup, or the last one of its month, may be there only.
    const reasons = unreachable.map(({ message }) => message).join(' ');
    throw new PgkeepError(
      'PRUNE_REFUSED',
      `Refused to prune: the list of backups is incomplete. ${reasons} Nothing was removed.`,
      {
        hint: 'Run the prune again when `pgkeep backup list` reports no error.',
      },
    );
  }
  if (unreadable.length > 0) {
    throw new PgkeepError(
      'PRUNE_REFUSED',
      `Refused to prune: ${boundedList(unreadable)} cannot be read as a manifest. Nothing was removed.`,
      {
        hint: 'Restore the file from a copy or remove it, then run the prune again.',
      },
    );
  }
  const names = new Set(backups.map(({ name }) => name));
  const lost = known.filter((name) => !names.has(name));
  if (lost.length * 2 <= known.length) return;
  throw new PgkeepError(
    'PRUNE_REFUSED',
    `Refused to prune: of the ${counted(known.length, 'backup')} that the last prune kept, ${lost.length} ${pluralOf(lost.length, 'is', 'are')} missing. Nothing was removed.`,
    {
      hint: `Check that BACKUP_DIR is the right directory, and look for the missing backups: ${boundedList(lost, 3)}.`,
    },
  );
}

/** The names of the backups that the last prune kept: if many of them are missing, the next prune is refused. */
class KnownBackups {
  private readonly key: string;

  /** @param subject database and environment: each has a separate file */
  constructor(
    private readonly storage: BackupStorage,
    subject: string,
  ) {
    this.key = `${subject}.known-backups.json`;
  }

  async read(): Promise<readonly string[]> {
    if (!(await this.storage.head(this.key))) return [];
    const parsed: unknown = JSON.parse(await text(await this.storage.get(this.key)));
    return Array.isArray(parsed) ? parsed.filter((name) => typeof name === 'string') : [];
  }

  async write(names: readonly string[]): Promise<void> {
    const body = Readable.from([Buffer.from(`${JSON.stringify(names, null, 2)}\n`)]);
    await this.storage.put(this.key, body, { signal: new AbortController().signal });
  }
}
