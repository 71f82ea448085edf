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
import { boundedList } from '../core/bounded-list.js';
import { Clock } from '../core/clock.js';
import { counted } from '../core/counted.js';
import { PgkeepError } from '../core/errors.js';
import { readIdentity } from '../environment/stamp.js';
import { databaseError } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import { BACKUP_STORAGE, type BackupStorage } from '../storage/storage.types.js';
import { ownBackups, planRetention, simulateRetention } from './plan-retention.js';
import type {
  KeptBackup,
  PruneReport,
  RetainedBackup,
  RetentionPlan,
  RetentionRules,
} from './retention.types.js';

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
    private readonly changelog: AuditLogService,
    private readonly database: DatabaseService,
  ) {
    const { retentionHours: hours, retentionDays: days = 7, timeZone } = settings.backup;
    const { retentionWeeks: weeks, retentionMonths: months } = settings.backup;
    this.rules = { hours, days, weeks, months, timeZone };
  }

  /**
   * Plans over the backups of this database and environment, and removes what the plan does not keep, in every
   * place. Those of other databases, environments and servers in the same place are not looked at; the database is
   * asked which server it is.
   * @throws PgkeepError `PRUNE_REFUSED` when the listing cannot be trusted, `DATABASE_…`, `STORAGE_…`.
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
    const others = list.backups.filter((backup) => !own.includes(backup));
    const plan = planRetention(own.map(toRetained), this.rules, this.clock.now(), others.map(toRetained));
    const about = { foreign: foreign.map(({ name }) => name), dryRun };
    if (dryRun) return { ...plan, ...about, recorded: false };
    // First, so that a prune that is ended half-way leaves no backup that was expected and is gone.
    await known.write(plan.keep.map(({ name }) => name));
    const done = await this.remove(own, plan, beforeRemove);
    if (done.remove.length === 0) return { ...done, ...about, recorded: false };
    const details = { removed: done.remove, kept: done.keep.length };
    const recording = await this.changelog.recordDone({ action: 'prune', subject, details, actor });
    return { ...done, ...about, ...recording };
  }

  /** Removes what the plan does not keep. @returns the plan as it was carried out: what is in use stays. */
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

function toRetained(backup: BackupEntry): RetainedBackup {
  const { name, finishedAt, pinned, restoreTest, reason, origin } = backup;
  return { name, finishedAt: new Date(finishedAt), pinned, proven: restoreTest === 'passed', reason, origin };
}

/** A plan made on half a listing would remove what the other half was needed for. */
function requireTrustworthy(
  { backups, unreadable, unreachable }: BackupList,
  known: readonly string[],
): void {
  if (unreachable.length > 0) {
    // What is only there may be the newest, or the last one of its month.
    const reasons = unreachable.map(({ message }) => message).join(' ');
    throw new PgkeepError('PRUNE_REFUSED', `Refused to prune. ${reasons} Nothing was removed.`, {
      hint: 'Prune again when `pgkeep backup list` shows every place.',
    });
  }
  if (unreadable.length > 0) {
    throw new PgkeepError(
      'PRUNE_REFUSED',
      `Refused to prune: ${boundedList(unreadable)} cannot be read as a manifest. Nothing was removed.`,
      {
        hint: 'Restore the file from a copy, or take it away, then prune again.',
      },
    );
  }
  const names = new Set(backups.map(({ name }) => name));
  const lost = known.filter((name) => !names.has(name));
  if (lost.length * 2 <= known.length) return;
  throw new PgkeepError(
    'PRUNE_REFUSED',
    `Refused to prune: of the ${counted(known.length, 'backup')} that the last prune left, ${lost.length} ${lost.length === 1 ? 'is' : 'are'} gone. Nothing was removed.`,
    {
      hint: `Find out where they went: ${boundedList(lost, 3)}. Is BACKUP_DIR the right place?`,
    },
  );
}

/** Which backups the last prune left, kept beside them: a listing that lost many since is not to be acted on. */
class KnownBackups {
  private readonly key: string;

  /** @param subject whose backups they are: one file for each database and environment */
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
